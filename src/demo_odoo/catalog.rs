//! The demo's made-up companies and goods. People appear as roles only.

/// Name, street, zip, city, country code, its contacts' roles.
pub type Company = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
);

/// The customers.
pub const COMPANIES: [Company; 12] = [
    (
        "Brackwater Joinery",
        "14 Sluice Lane",
        "45227",
        "Essen",
        "DE",
        &["Purchasing", "Workshop Office"],
    ),
    (
        "Tolmere Office Supplies",
        "3 Harbour Parade",
        "D02 X285",
        "Dublin",
        "IE",
        &["Purchasing", "Accounts Payable"],
    ),
    (
        "Veldhask Interiors",
        "88 Kanaalkade",
        "3511 AB",
        "Utrecht",
        "NL",
        &["Project Desk"],
    ),
    (
        "Quillon Print Works",
        "27 Rue des Presses",
        "69003",
        "Lyon",
        "FR",
        &["Purchasing", "Facilities"],
    ),
    (
        "Oskarvik Marine Fittings",
        "5 Slipveien",
        "5035",
        "Bergen",
        "NO",
        &["Stores"],
    ),
    (
        "Pendrell & Marsh Legal",
        "61 Chancel Street",
        "SE1 0UE",
        "London",
        "GB",
        &["Office Management", "Accounts Payable"],
    ),
    (
        "Lumafeld Solar",
        "9 Sonnenallee",
        "4020",
        "Linz",
        "AT",
        &["Field Service"],
    ),
    (
        "Corvane Logistics",
        "410 Freight Road",
        "60608",
        "Chicago",
        "US",
        &["Purchasing", "Dock Office"],
    ),
    (
        "Halden Ridge Clinics",
        "2200 Summit Avenue",
        "80205",
        "Denver",
        "US",
        &["Procurement"],
    ),
    (
        "Miravelle Bakeries",
        "17 Avenida del Trigo",
        "41004",
        "Seville",
        "ES",
        &["Equipment"],
    ),
    (
        "Sternbruk Robotics",
        "33 Verkstadsgatan",
        "72211",
        "V\u{e4}ster\u{e5}s",
        "SE",
        &["Laboratory", "Purchasing"],
    ),
    (
        "Ashgrove Primary School",
        "1 Orchard Way",
        "BS6 5QA",
        "Bristol",
        "GB",
        &["Bursary"],
    ),
];

/// Code and name of the countries.
pub const COUNTRIES: [(&str, &str); 10] = [
    ("AT", "Austria"),
    ("BE", "Belgium"),
    ("DE", "Germany"),
    ("ES", "Spain"),
    ("FR", "France"),
    ("GB", "United Kingdom"),
    ("IE", "Ireland"),
    ("NL", "Netherlands"),
    ("NO", "Norway"),
    ("SE", "Sweden"),
];

/// Internal reference, name, price, type.
pub type Product = (&'static str, &'static str, f64, &'static str);

/// What is sold.
pub const PRODUCTS: [Product; 20] = [
    ("DSK-100", "Height-Adjustable Desk 140 cm", 489.0, "consu"),
    ("DSK-110", "Height-Adjustable Desk 180 cm", 569.0, "consu"),
    ("DSK-200", "Corner Desk, Oak", 635.5, "consu"),
    ("CHR-010", "Task Chair, Mesh Back", 219.9, "consu"),
    ("CHR-020", "Visitor Chair, Stackable", 64.5, "consu"),
    ("CHR-030", "Conference Chair, Wool", 312.0, "consu"),
    ("CAB-001", "Filing Cabinet, Three Drawers", 148.75, "consu"),
    ("CAB-002", "Mobile Pedestal", 96.4, "consu"),
    ("SHL-004", "Shelf Unit, Four Bays", 274.0, "consu"),
    ("TBL-300", "Meeting Table for Eight", 890.0, "consu"),
    ("TBL-310", "Standing Table, Round", 245.0, "consu"),
    ("LMP-015", "Desk Lamp, Dimmable", 58.9, "consu"),
    ("LMP-025", "Floor Lamp, Arc", 139.0, "consu"),
    ("ACU-101", "Acoustic Panel, Grey Felt", 82.25, "consu"),
    ("ACU-102", "Acoustic Screen on Wheels", 315.0, "consu"),
    ("BRD-050", "Whiteboard 120 x 90", 74.0, "consu"),
    ("CBL-007", "Cable Tray Set", 23.8, "consu"),
    ("SRV-001", "Assembly on Site (hour)", 68.0, "service"),
    ("SRV-002", "Workplace Planning (day)", 720.0, "service"),
    ("SRV-003", "Delivery Beyond the Kerb", 45.0, "service"),
];

/// Name, title, whether it is an application, whether it is installed.
pub type Module = (&'static str, &'static str, bool, bool);

/// The modules that clients ask about.
pub const MODULES: [Module; 10] = [
    ("account", "Invoicing", true, true),
    ("base", "Base", false, true),
    ("contacts", "Contacts", true, false),
    ("crm", "CRM", true, false),
    ("mail", "Discuss", true, true),
    ("product", "Products & Pricelists", false, true),
    ("purchase", "Purchase", true, false),
    ("sale", "Sales", false, true),
    ("sale_management", "Sales", true, true),
    ("web", "Web", false, true),
];
