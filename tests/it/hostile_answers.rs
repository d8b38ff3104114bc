//! What may answer at Odoo's address without being a sane Odoo: each body with
//! the codes that `POST /call` may give for it when `sale.order.search_read` was
//! asked.

use odoo_bridge::demo_odoo::Fault;

/// One odd answer.
pub struct HostileAnswer {
    /// What is odd about it.
    pub name: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// The `Content-Type`; empty for none.
    pub content_type: &'static str,
    /// More headers.
    pub headers: Vec<(&'static str, &'static str)>,
    /// The body.
    pub body: Vec<u8>,
    /// The codes that are right for it; `success` where the result passes
    /// through byte for byte.
    pub expected: &'static [&'static str],
    /// The result that passes through, if it does.
    pub data: Option<Vec<u8>>,
}

impl HostileAnswer {
    /// Makes the demo answer this, headers included.
    pub fn fault(&self) -> Fault {
        let headers = self
            .headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Fault::Answer {
            status: self.status,
            content_type: self.content_type.to_owned(),
            headers: headers.collect(),
            body: self.body.clone(),
        }
    }
}

const JSON: &str = "application/json; charset=utf-8";
const NO_ODOO: &[&str] = &["odoo_unreachable"];
const FAILED: &[&str] = &["odoo_error"];
const REJECTED: &[&str] = &["odoo_rejected"];
/// Broken in a way that may be read as "no Odoo" or as "Odoo failed".
const BROKEN: &[&str] = &["odoo_unreachable", "odoo_error"];
/// Odd, but a strict and a lenient reader may both be right.
const EITHER: &[&str] = &["success", "odoo_unreachable", "odoo_error"];
const SUCCESS: &[&str] = &["success"];

fn with(name: &'static str, body: impl Into<Vec<u8>>, expected: &'static [&'static str]) -> HostileAnswer {
    HostileAnswer {
        name,
        status: 200,
        content_type: JSON,
        headers: Vec::new(),
        body: body.into(),
        expected,
        data: None,
    }
}

fn http(name: &'static str, status: u16, content_type: &'static str, body: &str) -> HostileAnswer {
    HostileAnswer {
        status,
        content_type,
        ..with(name, body, NO_ODOO)
    }
}

/// An answer whose result is odd, but Odoo's own business.
fn result(name: &'static str, data: impl Into<Vec<u8>>) -> HostileAnswer {
    let data = data.into();
    let body = [
        b"{\"jsonrpc\": \"2.0\", \"id\": 1, \"result\": ".as_slice(),
        &data,
        b"}",
    ]
    .concat();
    HostileAnswer {
        data: Some(data),
        ..with(name, body, SUCCESS)
    }
}

/// An answer whose `error` is this JSON.
fn error(name: &'static str, error: &str, expected: &'static [&'static str]) -> HostileAnswer {
    with(
        name,
        format!("{{\"jsonrpc\": \"2.0\", \"id\": 1, \"error\": {error}}}"),
        expected,
    )
}

/// An answer with an exception of this class and message (JSON, quoted).
fn raised(name: &'static str, class: &str, message: &str, expected: &'static [&'static str]) -> HostileAnswer {
    let debug =
        "Traceback (most recent call last):\\n  File \\\"/usr/lib/python3/dist-packages/odoo/http.py\\\", line 1";
    let data = format!(
        "{{\"name\": {class}, \"message\": {message}, \"arguments\": [{message}], \"context\": {{}}, \"debug\": \"{debug}\"}}"
    );
    error(
        name,
        &format!("{{\"code\": 0, \"message\": \"Odoo Server Error\", \"data\": {data}}}"),
        expected,
    )
}

/// All of them. The last one makes a bridge remember that its credentials are
/// refused, so nothing comes after it.
pub fn hostile_answers() -> Vec<HostileAnswer> {
    let mut all = no_json();
    all.extend(no_json_rpc());
    all.extend(odd_errors());
    all.extend(odd_exceptions());
    all.extend(odd_results());
    all.extend(proxies());
    all.push(raised(
        "an access that the method itself denies, with a traceback in the text",
        "\"odoo.exceptions.AccessDenied\"",
        "\"Access Denied\\nTraceback (most recent call last):\\n  File /usr/lib/python3\"",
        &["odoo_access_denied"],
    ));
    all
}

fn no_json() -> Vec<HostileAnswer> {
    vec![
        with("an empty body", "", NO_ODOO),
        with("white space", " \r\n\t ", NO_ODOO),
        with(
            "JSON that breaks off in a string",
            "{\"jsonrpc\": \"2.0\", \"id\": 1, \"result\": [{\"name\": \"S0",
            NO_ODOO,
        ),
        with(
            "JSON that breaks off after the result",
            "{\"jsonrpc\": \"2.0\", \"id\": 1, \"result\": []",
            NO_ODOO,
        ),
        with(
            "more after the end",
            "{\"jsonrpc\": \"2.0\", \"id\": 1, \"result\": []} {\"result\": 1}",
            NO_ODOO,
        ),
        with(
            "two answers at once",
            "{\"jsonrpc\": \"2.0\", \"result\": 1}{\"jsonrpc\": \"2.0\", \"result\": 2}",
            NO_ODOO,
        ),
        with("NUL bytes", vec![0; 512], NO_ODOO),
        with(
            "NUL bytes after the answer",
            b"{\"jsonrpc\": \"2.0\", \"id\": 1, \"result\": []}\0\0".as_slice(),
            NO_ODOO,
        ),
        with(
            "a NUL in a string",
            b"{\"jsonrpc\": \"2.0\", \"id\": 1, \"result\": \"a\0b\"}".as_slice(),
            NO_ODOO,
        ),
        with(
            "UTF-8 that is none",
            b"{\"jsonrpc\": \"2.0\", \"id\": 1, \"result\": \"\xff\xfe\xc3\"}".as_slice(),
            BROKEN,
        ),
        with(
            "UTF-16",
            "{\"jsonrpc\": \"2.0\"}"
                .encode_utf16()
                .flat_map(u16::to_le_bytes)
                .collect::<Vec<u8>>(),
            NO_ODOO,
        ),
        with(
            "a byte order mark",
            "\u{feff}{\"jsonrpc\": \"2.0\", \"id\": 1, \"result\": []}",
            EITHER,
        ),
        with("a long run of brackets", "[".repeat(10_000), NO_ODOO),
        with(
            "Python's own notation",
            "{'jsonrpc': '2.0', 'id': 1, 'result': [True, None]}",
            NO_ODOO,
        ),
        with(
            "NaN as a result",
            "{\"jsonrpc\": \"2.0\", \"id\": 1, \"result\": NaN}",
            NO_ODOO,
        ),
        with(
            "JSONP",
            "callback({\"jsonrpc\": \"2.0\", \"id\": 1, \"result\": []});",
            NO_ODOO,
        ),
        with(
            "JSON behind a guard",
            ")]}',\n{\"jsonrpc\": \"2.0\", \"id\": 1, \"result\": []}",
            NO_ODOO,
        ),
        with(
            "a comment before it",
            "/* hi */ {\"jsonrpc\": \"2.0\", \"id\": 1, \"result\": []}",
            NO_ODOO,
        ),
        HostileAnswer {
            content_type: "text/xml",
            ..with(
                "XML-RPC",
                "<?xml version='1.0'?><methodResponse><params/></methodResponse>",
                NO_ODOO,
            )
        },
        HostileAnswer {
            headers: vec![("content-encoding", "gzip")],
            ..with(
                "plain JSON that says it is gzip",
                "{\"jsonrpc\": \"2.0\", \"id\": 1, \"result\": []}",
                EITHER,
            )
        },
        HostileAnswer {
            headers: vec![("content-encoding", "gzip")],
            ..with(
                "a broken gzip",
                b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03garbage".as_slice(),
                NO_ODOO,
            )
        },
    ]
}

fn no_json_rpc() -> Vec<HostileAnswer> {
    vec![
        with("null", "null", NO_ODOO),
        with("a number", "42", NO_ODOO),
        with("a string", "\"ok\"", NO_ODOO),
        with("a list", "[{\"jsonrpc\": \"2.0\", \"id\": 1, \"result\": []}]", NO_ODOO),
        with("an empty object", "{}", NO_ODOO),
        with("a result without a version", "{\"result\": []}", BROKEN),
        with(
            "another version",
            "{\"jsonrpc\": \"1.0\", \"id\": 1, \"result\": []}",
            BROKEN,
        ),
        with(
            "a version that is a number",
            "{\"jsonrpc\": 2.0, \"id\": 1, \"result\": []}",
            BROKEN,
        ),
        with(
            "another service's JSON",
            "{\"status\": \"ok\", \"uptime\": 12345}",
            NO_ODOO,
        ),
        with(
            "the answer's id is another",
            "{\"jsonrpc\": \"2.0\", \"id\": 999, \"result\": []}",
            EITHER,
        ),
        with(
            "the result twice",
            "{\"jsonrpc\": \"2.0\", \"id\": 1, \"result\": [1], \"result\": [2]}",
            BROKEN,
        ),
        with(
            "a result and an error",
            "{\"jsonrpc\": \"2.0\", \"id\": 1, \"result\": [], \"error\": {\"code\": 0, \"message\": \"x\"}}",
            BROKEN,
        ),
    ]
}

fn odd_errors() -> Vec<HostileAnswer> {
    vec![
        error("an error that is a string", "\"no\"", BROKEN),
        error("an error that is a list", "[1, 2]", BROKEN),
        error("an error that is a number", "-32600", BROKEN),
        error("an error that is true", "true", BROKEN),
        error("an error that is an empty object", "{}", BROKEN),
        error("an error that is null", "null", EITHER),
        error(
            "an error without data",
            "{\"code\": 100, \"message\": \"Odoo Session Expired\"}",
            BROKEN,
        ),
        error(
            "data that is null",
            "{\"code\": 0, \"message\": \"x\", \"data\": null}",
            BROKEN,
        ),
        error(
            "data that is a string",
            "{\"code\": 0, \"message\": \"x\", \"data\": \"Traceback (most recent call last)\"}",
            BROKEN,
        ),
        error(
            "data without a name",
            "{\"code\": 0, \"data\": {\"message\": \"x\"}}",
            BROKEN,
        ),
        error(
            "a name that is a number",
            "{\"code\": 0, \"data\": {\"name\": 7, \"message\": \"x\"}}",
            BROKEN,
        ),
        error(
            "a message that is a list",
            "{\"code\": 0, \"data\": {\"name\": \"a.B\", \"message\": [\"x\"]}}",
            BROKEN,
        ),
        error(
            "a message that is null",
            "{\"code\": 0, \"data\": {\"name\": \"a.B\", \"message\": null}}",
            BROKEN,
        ),
        error(
            "the name twice",
            "{\"data\": {\"name\": \"a.B\", \"name\": \"odoo.exceptions.UserError\", \"message\": \"x\"}}",
            BROKEN,
        ),
    ]
}

fn odd_exceptions() -> Vec<HostileAnswer> {
    const USER_ERROR: &str = "\"odoo.exceptions.UserError\"";
    const VALUE_ERROR: &str = "\"builtins.ValueError\"";
    let long = format!("\"{}\"", "x".repeat(1 << 20));
    let long_name = format!("\"{}\"", "a".repeat(100_000));
    vec![
        raised(
            "control characters in the text",
            USER_ERROR,
            "\"a\\u0000b\\u001b[31mred\\u0007\\r\\n\\u009b\"",
            REJECTED,
        ),
        raised("a text of a megabyte", USER_ERROR, &long, REJECTED),
        raised("an empty text", USER_ERROR, "\"\"", REJECTED),
        raised(
            "HTML in the text",
            USER_ERROR,
            "\"<script>alert(1)</script>\"",
            REJECTED,
        ),
        raised(
            "half a surrogate pair in the text",
            USER_ERROR,
            "\"a\\ud800b\"",
            &["odoo_rejected", "odoo_unreachable", "odoo_error"],
        ),
        raised(
            "a traceback in the text",
            USER_ERROR,
            "\"Oops\\nTraceback (most recent call last):\\n  File \\\"/usr/lib/python3/dist-packages/odoo/http.py\\\"\"",
            REJECTED,
        ),
        raised(
            "a traceback in an inner failure",
            VALUE_ERROR,
            "\"Traceback (most recent call last):\\n  File \\\"/opt/site-packages/x.py\\\", line 1\"",
            FAILED,
        ),
        raised("a class that is markup", "\"<b>odoo</b>\"", "\"x\"", FAILED),
        raised("a class without end", &long_name, "\"x\"", FAILED),
        raised("a class without name", "\"\"", "\"x\"", FAILED),
        raised(
            "the database's address",
            "\"psycopg2.OperationalError\"",
            "\"connection to server at \\\"10.1.2.3\\\", port 5432 failed: Connection refused\"",
            BROKEN,
        ),
        raised(
            "a failed query",
            "\"psycopg2.errors.UniqueViolation\"",
            "\"psycopg2.connect host=db.internal port=5432\\nDETAIL: Key (login)=(admin) already exists.\"",
            FAILED,
        ),
        raised(
            "a session that ended",
            "\"odoo.http.SessionExpiredException\"",
            "\"Session expired\"",
            FAILED,
        ),
        raised(
            "an exception of nobody's",
            "\"my_module.errors.Strange\"",
            "\"x\"",
            FAILED,
        ),
        raised(
            "no rights",
            "\"odoo.exceptions.AccessError\"",
            "\"You are not allowed\"",
            &["odoo_access_denied"],
        ),
        raised(
            "no record",
            "\"odoo.exceptions.MissingError\"",
            "\"Record does not exist\"",
            &["odoo_not_found"],
        ),
        raised(
            "no model",
            USER_ERROR,
            "\"Object sale.order doesn't exist\"",
            &["odoo_not_found"],
        ),
        raised(
            "another model that is missing",
            USER_ERROR,
            "\"Object x.y doesn't exist\"",
            REJECTED,
        ),
    ]
}

fn odd_results() -> Vec<HostileAnswer> {
    let mut all = vec![
        result("a null result", "null"),
        result("a false result", "false"),
        result("spaces inside", "[ {\"id\":1 ,\t\"name\" : \"S1\"}\r\n ]"),
        result("a number of forty digits", "1234567890123456789012345678901234567890"),
        result(
            "a number beyond every float",
            "[1e999999, -0.0, 1E+2, 0.10000000000000000555]",
        ),
        result("keys twice", "{\"a\": 1, \"a\": 2}"),
        result("half a surrogate pair", "\"\\ud800\""),
        result("escapes that need not be", "\"\\u0041\\/\\u00e9\""),
        result("an escaped NUL", "\"a\\u0000b\""),
        result("line separators", "\"\u{2028}\u{2029}\""),
        result(
            "what looks like an error",
            "{\"success\": false, \"error\": \"no\", \"code\": \"internal\"}",
        ),
        result("a closing script tag", "\"</script><script>\""),
    ];
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    all.push(result("a hundred lists in each other", deep));
    let none = "{\"jsonrpc\": \"2.0\", \"id\": 1}";
    all.push(HostileAnswer {
        data: Some(b"null".to_vec()),
        ..with("no result at all", none, SUCCESS)
    });
    let deeper = format!(
        "{{\"jsonrpc\": \"2.0\", \"id\": 1, \"x\": {}{}, \"result\": []}}",
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    all.push(with("ten thousand lists in each other", deeper, EITHER));
    let swapped = "{\"result\": [], \"more\": {\"x\": 1}, \"id\": null, \"jsonrpc\": \"2.0\"}";
    all.push(HostileAnswer {
        data: Some(b"[]".to_vec()),
        ..with("another order and more fields", swapped, SUCCESS)
    });
    let untyped = result("no content type", "[]");
    all.push(HostileAnswer {
        content_type: "",
        expected: EITHER,
        ..untyped
    });
    let text = result("another content type", "[]");
    all.push(HostileAnswer {
        content_type: "text/plain",
        expected: EITHER,
        ..text
    });
    all
}

fn proxies() -> Vec<HostileAnswer> {
    let page = "<!DOCTYPE html><html><body><h1>Welcome</h1></body></html>";
    let answer = "{\"jsonrpc\": \"2.0\", \"id\": 1, \"result\": []}";
    let redirect = |name, status, location| HostileAnswer {
        headers: vec![("location", location)],
        ..http(name, status, "text/html", "")
    };
    vec![
        http("a page", 200, "text/html; charset=utf-8", page),
        http("a page that says it is JSON", 200, JSON, page),
        http("nothing, on purpose", 204, "", ""),
        http("a challenge", 401, "text/html", page),
        http("a firewall", 403, "text/html", page),
        http("an unknown database", 404, "text/html", "<h1>Not Found</h1>"),
        HostileAnswer {
            expected: &["overloaded"],
            ..http("a proxy's limit", 429, "text/html", page)
        },
        http("a crash", 500, "text/html", "<h1>Internal Server Error</h1>"),
        http(
            "a gateway without Odoo",
            502,
            "text/html",
            "<h1>502 Bad Gateway</h1><hr>nginx",
        ),
        http("maintenance", 503, "text/html", page),
        http("a gateway that waited", 504, "text/html", page),
        http("a good answer with a bad status", 500, JSON, answer),
        redirect("moved to another host", 301, "https://elsewhere.example/jsonrpc"),
        redirect("a redirect to the login page", 302, "/web/login"),
        redirect(
            "a redirect into the private network",
            303,
            "http://169.254.169.254/latest/meta-data",
        ),
        redirect("a redirect to itself", 307, "/jsonrpc"),
        redirect("a redirect to a file", 308, "file:///etc/passwd"),
    ]
}
