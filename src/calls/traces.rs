//! Calls as traces, for an OpenTelemetry collector (`OTEL_EXPORTER_OTLP_ENDPOINT`): a span
//! for each call, below the caller's own if it sent a W3C `traceparent`, with its phases;
//! the one at Odoo is what Odoo gets as `traceparent`. Names, codes and times; never
//! arguments or results.
//!
//! The spans are made when a call has ended, from its record, so that a call pays for two
//! ids only, and for nothing if nobody wants traces. What the collector does not take in
//! time is dropped by the library's own queue.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderValue};
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchSpanProcessor, IdGenerator as _, RandomIdGenerator, SpanData, SpanEvents, SpanLinks, SpanProcessor as _,
};

use crate::calls::records::CallRecord;
use crate::odoo::trace_context::{TRACEPARENT, TRACESTATE, TraceContext};

/// How long a collector may take.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// Where traces go. Cheap to clone.
#[derive(Clone)]
pub struct Traces(Arc<Inner>);

struct Inner {
    processor: BatchSpanProcessor,
    ids: RandomIdGenerator,
    scope: InstrumentationScope,
}

impl Traces {
    /// To the collector at `endpoint`, such as `http://localhost:4318`, by OTLP over HTTP.
    ///
    /// # Errors
    /// The endpoint is no address.
    pub fn to(endpoint: &str) -> Result<Self, ExporterBuildError> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
            .with_timeout(EXPORT_TIMEOUT)
            .build()?;
        let mut processor = BatchSpanProcessor::builder(exporter).build();
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let resource = Resource::builder().with_service_name("odoo-bridge");
        processor.set_resource(&resource.with_attribute(version).build());
        Ok(Self(Arc::new(Inner {
            processor,
            ids: RandomIdGenerator::default(),
            scope: InstrumentationScope::builder("odoo-bridge").build(),
        })))
    }

    /// A call begins, with the caller's trace if its headers name one.
    #[must_use]
    pub fn begin(&self, headers: &HeaderMap) -> Trace {
        let ids = &self.0.ids;
        let parent = headers.get(TRACEPARENT).and_then(parse);
        // It may come in several lines.
        let states = headers.get_all(TRACESTATE).iter().map(HeaderValue::to_str);
        let state = states
            .collect::<Result<Vec<_>, _>>()
            .ok()
            .map(|states| states.join(","));
        Trace {
            traces: self.clone(),
            trace_id: parent.map_or_else(|| ids.new_trace_id(), |(id, ..)| id),
            parent: parent.map(|(_, span, _)| span),
            // Whether the caller's trace is kept is the caller's decision.
            flags: parent.map_or(TraceFlags::SAMPLED, |(.., flags)| flags),
            state: parent
                .and(state)
                .and_then(|state| state.parse().ok())
                .unwrap_or_default(),
            call: ids.new_span_id(),
            at_odoo: ids.new_span_id(),
        }
    }

    /// Sends what waits. Blocks for at most `timeout`.
    pub fn shut_down(&self, timeout: Duration) {
        if let Err(error) = self.0.processor.shutdown_with_timeout(timeout) {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the last traces were not sent"
            );
        }
    }
}

/// `00-<32 hex>-<16 hex>-<2 hex>`; of a later version, what begins like this.
fn parse(header: &HeaderValue) -> Option<(TraceId, SpanId, TraceFlags)> {
    let mut parts = header.to_str().ok()?.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |text: &str, length| {
        text.len() == length
            && text
                .bytes()
                .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let is_sane = is_hex(version, 2) && version != "ff" && (version != "00" || parts.next().is_none());
    if !(is_sane && is_hex(trace, 32) && is_hex(span, 16) && is_hex(flags, 2)) {
        return None;
    }
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?);
    (trace != TraceId::INVALID && span != SpanId::INVALID).then_some((trace, span, flags))
}

/// The trace of one call.
pub struct Trace {
    traces: Traces,
    trace_id: TraceId,
    parent: Option<SpanId>,
    flags: TraceFlags,
    state: TraceState,
    call: SpanId,
    at_odoo: SpanId,
}

impl Trace {
    /// What Odoo is told: its part has a span of its own.
    #[must_use]
    pub fn for_odoo(&self) -> Option<TraceContext> {
        let (trace, span, flags) = (self.trace_id, self.at_odoo, self.flags.to_u8() & 1);
        let parent = HeaderValue::try_from(format!("00-{trace}-{span}-{flags:02x}")).ok()?;
        // Only what is one: it was taken apart.
        let state = Some(self.state.header()).filter(|state| !state.is_empty());
        Some(TraceContext {
            parent,
            state: state.and_then(|state| HeaderValue::try_from(state).ok()),
        })
    }

    /// The call has ended, with this record.
    pub fn end(self, record: &CallRecord) {
        if !self.flags.is_sampled() {
            return;
        }
        let name = match (&record.model, &record.method) {
            (Some(model), Some(method)) => format!("{model}.{method}"),
            _ => "call".to_owned(),
        };
        let mut attributes = vec![
            KeyValue::new("bridge.code", record.code.to_string()),
            KeyValue::new("bridge.request_id", record.request_id.to_string()),
            KeyValue::new("key.id", record.api_key_id.to_string()),
        ];
        let parts = [("odoo.model", &record.model), ("odoo.method", &record.method)];
        for (name, value) in parts {
            attributes.extend(value.as_deref().map(|value| KeyValue::new(name, value.to_owned())));
        }
        let way = record.way.clone().map(|way| KeyValue::new("odoo.way", way));
        let status = if record.code == "ok" {
            Status::Ok
        } else {
            Status::error(record.code.clone())
        };
        let began = record.called_at;
        let end = began + record.duration;
        // As the phases follow each other; what is between them is the bridge's own.
        let stream = record.stream.unwrap_or_default();
        let odoo_end = end - stream.min(record.duration);
        let odoo = record.odoo.unwrap_or_default();
        let odoo_begin = (odoo_end - odoo).max(began);
        let queue_begin = (odoo_begin - record.queue.unwrap_or_default()).max(began);
        if let Some(policy) = record.policy {
            self.phase("policy", (began, began + policy), Vec::new());
        }
        if let Some(fields) = record.fields {
            let begin = began + record.policy.unwrap_or_default();
            self.phase("fields", (begin, begin + fields), Vec::new());
        }
        if record.queue.is_some_and(|queue| !queue.is_zero()) {
            self.phase("queue", (queue_begin, odoo_begin), Vec::new());
        }
        if record.odoo.is_some() {
            let context = self.context(self.at_odoo);
            let attributes = way.into_iter().collect();
            self.send(
                context,
                self.call,
                SpanKind::Client,
                "odoo".into(),
                (odoo_begin, odoo_end),
                attributes,
                Status::Unset,
            );
        }
        if record.stream.is_some() {
            self.phase("stream", (odoo_end, end), Vec::new());
        }
        let (context, parent) = (self.context(self.call), self.parent.unwrap_or(SpanId::INVALID));
        self.send(
            context,
            parent,
            SpanKind::Server,
            name,
            (began, end),
            attributes,
            status,
        );
    }

    fn phase(&self, name: &'static str, times: (DateTime<Utc>, DateTime<Utc>), attributes: Vec<KeyValue>) {
        let context = self.context(self.traces.0.ids.new_span_id());
        self.send(
            context,
            self.call,
            SpanKind::Internal,
            name.into(),
            times,
            attributes,
            Status::Unset,
        );
    }

    fn context(&self, span: SpanId) -> SpanContext {
        SpanContext::new(self.trace_id, span, self.flags, false, self.state.clone())
    }

    #[expect(clippy::too_many_arguments, reason = "what a span has")]
    fn send(
        &self,
        span_context: SpanContext,
        parent_span_id: SpanId,
        span_kind: SpanKind,
        name: String,
        (start, end): (DateTime<Utc>, DateTime<Utc>),
        attributes: Vec<KeyValue>,
        status: Status,
    ) {
        self.traces.0.processor.on_end(SpanData {
            span_context,
            parent_span_id,
            parent_span_is_remote: parent_span_id != self.call && self.parent.is_some(),
            span_kind,
            name: name.into(),
            start_time: start.into(),
            end_time: end.into(),
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status,
            instrumentation_scope: self.traces.0.scope.clone(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_traceparent_is_one() {
        let parsed = |text: &'static str| parse(&HeaderValue::from_static(text));
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let (trace, span, flags) = parsed(good).expect("the example of the W3C");
        assert_eq!(trace.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(span.to_string(), "00f067aa0ba902b7");
        assert!(flags.is_sampled());
        assert!(parsed("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00-more").is_some());
        for bad in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
        ] {
            assert!(parsed(bad).is_none(), "{bad}");
        }
    }
}
