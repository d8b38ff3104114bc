//! A record as a line of JSON, in the form in which serde reads it. Written by hand, because
//! it is done for each call before its answer ends: serde_json's own writing, member by
//! member, took a tenth of all that the bridge does for a call (docs/performance.md).

use std::io::{self, Write as _};
use std::net::IpAddr;
use std::time::Duration;

use chrono::{DateTime, Datelike as _, Timelike as _, Utc};
use uuid::Uuid;

use crate::calls::records::{CallRecord, Numbered};

/// Appends a record, without a line's end.
///
/// # Errors
/// None that a `Vec` has.
pub(super) fn put(line: &mut Vec<u8>, numbered: &Numbered) -> io::Result<()> {
    // All members by name, so that none is forgotten.
    let CallRecord {
        called_at,
        api_key_id,
        model,
        method,
        shape,
        code,
        reason,
        now_called,
        way,
        duration,
        queue,
        policy,
        fields,
        odoo,
        stream,
        answer_bytes,
        request_id,
        address,
        is_use,
    } = &numbered.record;
    line.extend_from_slice(b"{\"id\":");
    put_uuid(line, numbered.id);
    line.extend_from_slice(b",\"record\":{\"called_at\":");
    put_instant(line, *called_at);
    line.extend_from_slice(b",\"api_key_id\":");
    put_uuid(line, api_key_id.0);
    line.extend_from_slice(b",\"code\":");
    serde_json::to_writer(&mut *line, code)?;
    line.extend_from_slice(b",\"duration\":");
    put_duration(line, *duration);
    line.extend_from_slice(b",\"answer_bytes\":");
    line.extend_from_slice(itoa::Buffer::new().format(*answer_bytes).as_bytes());
    line.extend_from_slice(b",\"request_id\":");
    serde_json::to_writer(&mut *line, &**request_id)?;
    line.extend_from_slice(if *is_use {
        b",\"is_use\":true"
    } else {
        b",\"is_use\":false"
    });
    let texts = [
        (&b",\"model\":"[..], model.as_deref()),
        (b",\"method\":", method.as_deref()),
        (b",\"reason\":", reason.as_deref()),
        (b",\"now_called\":", now_called.as_deref()),
        (b",\"way\":", way.as_deref()),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            line.extend_from_slice(name);
            serde_json::to_writer(&mut *line, text)?;
        }
    }
    let durations = [
        (&b",\"queue\":"[..], queue),
        (b",\"policy\":", policy),
        (b",\"fields\":", fields),
        (b",\"odoo\":", odoo),
        (b",\"stream\":", stream),
    ];
    for (name, duration) in durations {
        if let Some(duration) = duration {
            line.extend_from_slice(name);
            put_duration(line, *duration);
        }
    }
    if let Some(shape) = shape {
        line.extend_from_slice(b",\"shape\":{\"args\":");
        serde_json::to_writer(&mut *line, &shape.args)?;
        line.extend_from_slice(b",\"kwargs\":");
        serde_json::to_writer(&mut *line, &shape.kwargs)?;
        line.push(b'}');
    }
    if let Some(address) = address {
        line.extend_from_slice(b",\"address\":\"");
        put_address(line, *address)?;
        line.push(b'"');
    }
    line.extend_from_slice(b"}}");
    Ok(())
}

fn put_uuid(line: &mut Vec<u8>, id: Uuid) {
    line.push(b'"');
    line.extend_from_slice(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()).as_bytes());
    line.push(b'"');
}

fn put_address(line: &mut Vec<u8>, address: IpAddr) -> io::Result<()> {
    let IpAddr::V4(address) = address else {
        return write!(line, "{address}");
    };
    for (index, part) in address.octets().into_iter().enumerate() {
        if index > 0 {
            line.push(b'.');
        }
        line.extend_from_slice(itoa::Buffer::new().format(part).as_bytes());
    }
    Ok(())
}

fn put_duration(line: &mut Vec<u8>, duration: Duration) {
    line.extend_from_slice(b"{\"secs\":");
    line.extend_from_slice(itoa::Buffer::new().format(duration.as_secs()).as_bytes());
    line.extend_from_slice(b",\"nanos\":");
    line.extend_from_slice(itoa::Buffer::new().format(duration.subsec_nanos()).as_bytes());
    line.push(b'}');
}

/// `"2026-11-30T14:53:15.123456789Z"`
fn put_instant(line: &mut Vec<u8>, at: DateTime<Utc>) {
    let at = at.naive_utc();
    // A leap second has more than a second's nanoseconds; RFC 3339 says 60 for it.
    let (leap, nanos) = (at.nanosecond() / 1_000_000_000, at.nanosecond() % 1_000_000_000);
    line.push(b'"');
    put_number(line, at.year().unsigned_abs(), 4);
    for (before, number) in [
        (b'-', at.month()),
        (b'-', at.day()),
        (b'T', at.hour()),
        (b':', at.minute()),
        (b':', at.second() + leap),
    ] {
        line.push(before);
        put_number(line, number, 2);
    }
    line.push(b'.');
    put_number(line, nanos, 9);
    line.extend_from_slice(b"Z\"");
}

fn put_number(line: &mut Vec<u8>, number: u32, digits: usize) {
    let mut buffer = itoa::Buffer::new();
    let number = buffer.format(number);
    line.extend(std::iter::repeat_n(b'0', digits.saturating_sub(number.len())));
    line.extend_from_slice(number.as_bytes());
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use http::HeaderMap;

    use super::*;
    use crate::calls::journal::OwnedLine;
    use crate::ids::ApiKeyId;
    use crate::keys::policy::Shape;
    use crate::server::request_id::RequestId;

    fn written(numbered: &Numbered) -> serde_json::Value {
        let mut line = Vec::new();
        put(&mut line, numbered).expect("written");
        let read: OwnedLine = serde_json::from_slice(&line).expect("read");
        serde_json::to_value(read).expect("JSON")
    }

    #[test]
    fn a_line_is_what_serde_reads_and_nothing_of_a_record_is_missing_in_it() {
        let at = "2026-01-02T03:04:05.000607008Z".parse().expect("an instant");
        let request_id = RequestId::of(&HeaderMap::new());
        let address = IpAddr::V6(Ipv6Addr::LOCALHOST);
        let bare = CallRecord::begin(at, ApiKeyId(Uuid::now_v7()), request_id, address);
        let odd = || Some("\u{1}\"\\ä\u{1F600}\n".into());
        let full = CallRecord {
            model: odd(),
            method: odd(),
            shape: Some(Box::new(Shape {
                args: "[[1]]".into(),
                kwargs: "{\"fields\":[\"name\"]}".into(),
            })),
            code: "policy_denied".into(),
            reason: odd(),
            now_called: odd(),
            way: Some("web".into()),
            duration: Duration::new(12, 345),
            queue: Some(Duration::ZERO),
            policy: Some(Duration::from_nanos(1)),
            fields: Some(Duration::from_millis(1)),
            odoo: Some(Duration::MAX),
            stream: Some(Duration::from_secs(1)),
            answer_bytes: u64::MAX,
            address: None,
            is_use: false,
            ..bare.clone()
        };
        let far = CallRecord {
            address: Some(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9))),
            ..bare.clone()
        };
        for record in [bare, full, far] {
            let numbered = Numbered {
                id: Uuid::now_v7(),
                record,
            };
            let by_serde = serde_json::json!({"id": numbered.id, "record": numbered.record});
            assert_eq!(written(&numbered), by_serde);
        }
    }
}
