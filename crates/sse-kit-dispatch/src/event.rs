//! Events of the app.

use std::sync::Arc;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};
use serde_json::Value;
use sse_kit_event::TextError;

use crate::callback::BoxError;
use crate::event_data::EventData;
use crate::event_type::EventType;
use crate::namespace::Namespace;

/// An event of the app: a type, data, a time, and optionally a namespace and a priority.
///
/// Events whose type is known when the program is compiled are better written as
/// [`EventData`]. This type is for all others. Cloning is cheap.
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
/// In JSON an event is a map. Only `type` is required. Data that are missing are `null`, the priority
/// is 0 and the time is now. Other keys are ignored. Times are written as RFC 3339.
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
    /// Shared, so that an event is handed on without a deep copy.
    data: Arc<Value>,
    namespace: Option<Namespace>,
    priority: i32,
    timestamp: Timestamp,
}

impl DomainEvent {
    /// Makes an event of a type that happens now, with `data` as JSON.
    ///
    /// # Errors
    ///
    /// [`DomainEventError`] when this is no type, or the data cannot be written as JSON.
    pub fn new<E, D>(event_type: E, data: &D) -> Result<Self, DomainEventError>
    where
        E: TryInto<EventType, Error: Into<TextError>>,
        D: Serialize + ?Sized,
    {
        Self::with_json(event_type.try_into().map_err(Into::into)?, data)
    }

    /// Makes an event that happens now of data that know their type.
    ///
    /// # Errors
    ///
    /// [`DomainEventError`] when the data cannot be written as JSON.
    pub fn of<E: EventData + Serialize>(data: &E) -> Result<Self, DomainEventError> {
        Self::with_json(EventType::of::<E>(), data)
    }

    fn with_json<D>(event_type: EventType, data: &D) -> Result<Self, DomainEventError>
    where
        D: Serialize + ?Sized,
    {
        let data = match serde_json::to_value(data) {
            Ok(data) => Arc::new(data),
            Err(error) => {
                return Err(DomainEventError::Data { event_type, source: error.into() });
            }
        };
        Ok(Self {
            full_type: event_type.clone(),
            event_type,
            data,
            namespace: None,
            priority: 0,
            timestamp: Timestamp::now(),
        })
    }

    /// Puts the event into a namespace.
    ///
    /// # Errors
    ///
    /// [`TextError`] when this is no namespace, or the full type gets too long with it.
    pub fn with_namespace<N>(self, namespace: N) -> Result<Self, TextError>
    where
        N: TryInto<Namespace, Error: Into<TextError>>,
    {
        let namespace = namespace.try_into().map_err(Into::into)?;
        let full_type = full_type(Some(&namespace), &self.event_type)?;
        Ok(Self { namespace: Some(namespace), full_type, ..self })
    }

    /// Replaces the type, and leaves the rest as it is.
    ///
    /// # Errors
    ///
    /// [`TextError`] when this is no type, or the full type gets too long with it.
    pub fn with_type<E>(self, event_type: E) -> Result<Self, TextError>
    where
        E: TryInto<EventType, Error: Into<TextError>>,
    {
        let event_type = event_type.try_into().map_err(Into::into)?;
        let full_type = full_type(self.namespace.as_ref(), &event_type)?;
        Ok(Self { event_type, full_type, ..self })
    }

    /// Replaces the data.
    pub fn with_data(self, data: Value) -> Self {
        Self { data: Arc::new(data), ..self }
    }

    /// Sets the priority, for filters and handlers to read. It changes no order. Default: 0.
    pub fn with_priority(self, priority: i32) -> Self {
        Self { priority, ..self }
    }

    /// Sets the time at which the event happened. Default: the time when it was made.
    pub fn at(self, timestamp: Timestamp) -> Self {
        Self { timestamp, ..self }
    }

    /// Returns the type, without the namespace.
    pub fn event_type(&self) -> &EventType {
        &self.event_type
    }

    /// Returns `namespace:type`, or the type alone. Patterns are matched with it.
    pub fn full_type(&self) -> &EventType {
        &self.full_type
    }

    /// Returns the namespace, if the event has one.
    pub fn namespace(&self) -> Option<&Namespace> {
        self.namespace.as_ref()
    }

    /// Returns the data.
    pub fn data(&self) -> &Value {
        &self.data
    }

    /// Returns the data, to be changed in place. Data that are shared are copied first.
    pub fn data_mut(&mut self) -> &mut Value {
        Arc::make_mut(&mut self.data)
    }

    /// Reads the data as a type of the app.
    ///
    /// # Errors
    ///
    /// [`DataError`] says where in the data the type does not fit.
    pub fn data_as<T: DeserializeOwned>(&self) -> Result<T, DataError> {
        serde_path_to_error::deserialize(&*self.data).map_err(|error| DataError {
            event_type: self.full_type.clone(),
            path: error.path().to_string(),
            source: error.into_inner().into(),
        })
    }

    /// Returns the priority.
    pub fn priority(&self) -> i32 {
        self.priority
    }

    /// Returns the time at which the event happened.
    pub fn timestamp(&self) -> Timestamp {
        self.timestamp
    }
}

fn full_type(
    namespace: Option<&Namespace>,
    event_type: &EventType,
) -> Result<EventType, TextError> {
    match namespace {
        Some(namespace) => EventType::new(&format!("{namespace}:{event_type}")),
        None => Ok(event_type.clone()),
    }
}

/// An event as it is written.
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

/// An event as it is read.
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
    type Error = TextError;

    fn try_from(fields: Fields) -> Result<Self, Self::Error> {
        Ok(Self {
            full_type: full_type(fields.namespace.as_ref(), &fields.event_type)?,
            event_type: fields.event_type,
            data: Arc::new(fields.data),
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
            source: error.into_inner().into(),
        })?;
        Ok(fields.try_into()?)
    }
}

/// The reason why there is no event.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DomainEventError {
    /// The type is not an event type, or too long with its namespace.
    #[error("the event type is not valid")]
    Type(#[from] TextError),
    /// The data cannot be written as JSON, such as a map whose keys are not text.
    #[error("the data of `{event_type}` cannot be written as JSON")]
    Data {
        /// The type of the event.
        event_type: EventType,
        /// The cause.
        source: BoxError,
    },
    /// The JSON is not a map.
    #[error("an event is a map in JSON, with at least a `type`")]
    NotAMap,
    /// The map has no type.
    #[error("an event has a `type`")]
    MissingType,
    /// A field of the map does not have its type.
    #[error("the event's `{path}` is not valid")]
    Field {
        /// The path of the field in the map.
        path: String,
        /// The cause.
        source: BoxError,
    },
}

/// The data of an event do not fit the type that they are read as.
#[derive(Debug, thiserror::Error)]
#[error("the data of `{event_type}` do not fit at `{path}`")]
#[non_exhaustive]
pub struct DataError {
    /// The full type of the event.
    pub event_type: EventType,
    /// The path in the data, as `files[3].name`; `.` is the whole.
    pub path: String,
    /// The cause.
    pub source: BoxError,
}
