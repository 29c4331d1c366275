//! What an app says has happened.

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::event_type::{EventType, EventTypeError};
use crate::namespace::Namespace;

/// What an app says has happened: a type, data, a time, and where wanted a namespace and a
/// priority.
///
/// ```
/// use sse_kit_dispatch::DomainEvent;
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Progress {
///     percent: u8,
/// }
///
/// let event = DomainEvent::new("job:progress", &Progress { percent: 40 })?.with_namespace("shop")?;
/// assert_eq!(event.full_type().as_str(), "shop:job:progress");
/// assert_eq!(event.data_as::<Progress>()?.percent, 40);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// In JSON it is a map. Only `type` must be there; the data are `null`, the priority is 0 and the
/// time is now when they are not. Other keys are passed over. Times are written as RFC 3339.
///
/// ```
/// # use sse_kit_dispatch::DomainEvent;
/// let event = DomainEvent::try_from(serde_json::json!({
///     "type": "job:done", "data": { "id": 17 }, "timestamp": "2024-07-11T12:34:56.5Z",
/// }))?;
/// assert_eq!(event.timestamp().as_millisecond(), 1_720_701_296_500);
/// assert!(serde_json::to_string(&event)?.contains(r#""2024-07-11T12:34:56.5Z""#));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, serde::Deserialize)]
#[serde(try_from = "Fields")]
pub struct DomainEvent {
    event_type: EventType,
    full_type: EventType,
    data: Value,
    namespace: Option<Namespace>,
    priority: i32,
    timestamp: Timestamp,
}

impl DomainEvent {
    /// An event of this type that happens now, with `data` as JSON.
    ///
    /// # Errors
    ///
    /// [`DomainEventError`] when this is no type, or the data cannot be written as JSON.
    pub fn new<E, D>(event_type: E, data: &D) -> Result<Self, DomainEventError>
    where
        E: TryInto<EventType, Error: Into<EventTypeError>>,
        D: Serialize + ?Sized,
    {
        let event_type = event_type.try_into().map_err(Into::into)?;
        Ok(Self {
            full_type: event_type.clone(),
            event_type,
            data: serde_json::to_value(data).map_err(DomainEventError::Data)?,
            namespace: None,
            priority: 0,
            timestamp: Timestamp::now(),
        })
    }

    /// Puts it into a namespace.
    ///
    /// # Errors
    ///
    /// [`EventTypeError`] when this is no namespace, or the full type gets too long with it.
    pub fn with_namespace<N>(self, namespace: N) -> Result<Self, EventTypeError>
    where
        N: TryInto<Namespace, Error: Into<EventTypeError>>,
    {
        let namespace = namespace.try_into().map_err(Into::into)?;
        let full_type = full_type(Some(&namespace), &self.event_type)?;
        Ok(Self { namespace: Some(namespace), full_type, ..self })
    }

    /// Gives it another type, and leaves the rest as it is.
    ///
    /// # Errors
    ///
    /// [`EventTypeError`] when this is no type, or the full type gets too long with it.
    pub fn with_type<E>(self, event_type: E) -> Result<Self, EventTypeError>
    where
        E: TryInto<EventType, Error: Into<EventTypeError>>,
    {
        let event_type = event_type.try_into().map_err(Into::into)?;
        let full_type = full_type(self.namespace.as_ref(), &event_type)?;
        Ok(Self { event_type, full_type, ..self })
    }

    /// Gives it other data.
    pub fn with_data(self, data: Value) -> Self {
        Self { data, ..self }
    }

    /// Says how urgent it is, for filters and handlers to read; it changes no order. Default: 0.
    pub fn with_priority(self, priority: i32) -> Self {
        Self { priority, ..self }
    }

    /// Says when it happened. Default: when it was made.
    pub fn at(self, timestamp: Timestamp) -> Self {
        Self { timestamp, ..self }
    }

    /// Its type, without the namespace.
    pub fn event_type(&self) -> &EventType {
        &self.event_type
    }

    /// `namespace:type`, or the type alone: what patterns are matched with.
    pub fn full_type(&self) -> &EventType {
        &self.full_type
    }

    /// Its namespace, if it has one.
    pub fn namespace(&self) -> Option<&Namespace> {
        self.namespace.as_ref()
    }

    /// Its data.
    pub fn data(&self) -> &Value {
        &self.data
    }

    /// Its data, to be changed in place.
    pub fn data_mut(&mut self) -> &mut Value {
        &mut self.data
    }

    /// Its data as a type of your own.
    ///
    /// # Errors
    ///
    /// [`DataError`] says where in the data the type does not fit.
    pub fn data_as<T: DeserializeOwned>(&self) -> Result<T, DataError> {
        serde_path_to_error::deserialize(&self.data).map_err(|error| DataError {
            event_type: self.full_type.clone(),
            path: error.path().to_string(),
            source: error.into_inner(),
        })
    }

    /// How urgent it is.
    pub fn priority(&self) -> i32 {
        self.priority
    }

    /// When it happened.
    pub fn timestamp(&self) -> Timestamp {
        self.timestamp
    }
}

fn full_type(
    namespace: Option<&Namespace>,
    event_type: &EventType,
) -> Result<EventType, EventTypeError> {
    match namespace {
        Some(namespace) => EventType::new(&format!("{namespace}:{event_type}")),
        None => Ok(event_type.clone()),
    }
}

/// The event as it is written.
#[derive(serde::Serialize)]
struct FieldsRef<'a> {
    #[serde(rename = "type")]
    event_type: &'a EventType,
    data: &'a Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a Namespace>,
    priority: i32,
    timestamp: Timestamp,
}

/// The event as it is read.
#[derive(serde::Deserialize)]
struct Fields {
    #[serde(rename = "type")]
    event_type: EventType,
    #[serde(default)]
    data: Value,
    namespace: Option<Namespace>,
    #[serde(default)]
    priority: i32,
    timestamp: Option<Timestamp>,
}

impl Serialize for DomainEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = FieldsRef {
            event_type: &self.event_type,
            data: &self.data,
            namespace: self.namespace.as_ref(),
            priority: self.priority,
            timestamp: self.timestamp,
        };
        fields.serialize(serializer)
    }
}

impl TryFrom<Fields> for DomainEvent {
    type Error = EventTypeError;

    fn try_from(fields: Fields) -> Result<Self, Self::Error> {
        Ok(Self {
            full_type: full_type(fields.namespace.as_ref(), &fields.event_type)?,
            event_type: fields.event_type,
            data: fields.data,
            namespace: fields.namespace,
            priority: fields.priority,
            timestamp: fields.timestamp.unwrap_or_else(Timestamp::now),
        })
    }
}

impl TryFrom<Value> for DomainEvent {
    type Error = DomainEventError;

    fn try_from(json: Value) -> Result<Self, Self::Error> {
        let map = json.as_object().ok_or(DomainEventError::NotAMap)?;
        if !map.contains_key("type") {
            return Err(DomainEventError::MissingType);
        }
        let fields: Result<Fields, _> = serde_path_to_error::deserialize(json);
        let fields = fields.map_err(|error| DomainEventError::Field {
            path: error.path().to_string(),
            source: error.into_inner(),
        })?;
        Ok(fields.try_into()?)
    }
}

/// Why there is no domain event.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DomainEventError {
    /// What should be its type is none, or is too long with its namespace.
    #[error("this is no event type")]
    Type(#[from] EventTypeError),
    /// The data cannot be written as JSON, such as a map whose keys are not text.
    #[error("the data cannot be written as JSON")]
    Data(#[source] serde_json::Error),
    /// The JSON is no map.
    #[error("an event is a map in JSON, with at least a `type`")]
    NotAMap,
    /// The map says no type.
    #[error("an event has a `type`")]
    MissingType,
    /// A field of the map is not what it should be.
    #[error("the event's `{path}` is not what it should be")]
    Field {
        /// Where in the map.
        path: String,
        /// What is wrong there.
        source: serde_json::Error,
    },
}

/// The data of an event are not of the type that was asked for.
#[derive(Debug, thiserror::Error)]
#[error("the data of `{event_type}` do not fit at `{path}`")]
#[non_exhaustive]
pub struct DataError {
    /// The full type of the event.
    pub event_type: EventType,
    /// Where in the data, as `files[3].name`; `.` is the whole.
    pub path: String,
    /// What is wrong there.
    pub source: serde_json::Error,
}
