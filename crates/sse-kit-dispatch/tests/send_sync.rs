//! All public types can be sent to and shared with other threads.

use sse_kit_dispatch::middleware::{Deduplicate, DispatchLog, Next, RateLimit, Timeout};
use sse_kit_dispatch::{
    Awaited, Callback, CallbackError, Called, DataError, DispatchError, Dispatched, Dispatcher,
    DomainEvent, DomainEventError, Ending, EventType, Handler, HandlerError, HandlerId,
    HandlerResult, Handlers, Namespace, Pattern, Ready, Registered, WeakDispatcher,
};

fn is_send_and_sync<T: Send + Sync + 'static>() {}

#[test]
fn public_types_are_send_and_sync() {
    is_send_and_sync::<Called>();
    is_send_and_sync::<Callback<String, String>>();
    is_send_and_sync::<CallbackError>();
    is_send_and_sync::<DataError>();
    is_send_and_sync::<Deduplicate>();
    is_send_and_sync::<DispatchError>();
    is_send_and_sync::<Dispatched>();
    is_send_and_sync::<Dispatcher>();
    is_send_and_sync::<DomainEvent>();
    is_send_and_sync::<DomainEventError>();
    is_send_and_sync::<Ending>();
    is_send_and_sync::<EventType>();
    is_send_and_sync::<Handler>();
    is_send_and_sync::<HandlerError>();
    is_send_and_sync::<HandlerId>();
    is_send_and_sync::<HandlerResult>();
    is_send_and_sync::<Handlers>();
    is_send_and_sync::<Namespace>();
    is_send_and_sync::<Next>();
    is_send_and_sync::<Pattern>();
    is_send_and_sync::<Registered>();
    is_send_and_sync::<Awaited>();
    is_send_and_sync::<Ready>();
    is_send_and_sync::<RateLimit>();
    is_send_and_sync::<Timeout>();
    is_send_and_sync::<DispatchLog>();
    is_send_and_sync::<WeakDispatcher>();
}
