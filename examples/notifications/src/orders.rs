//! Orders in PostgreSQL: an order and its notification are one transaction, so both exist or neither does.

use std::fmt;
use std::sync::Arc;

use anyhow::Context;
use sse_kit::htmx::{Dialect, ElementId, Html, Update, Updates};
use sse_kit::postgres::Outbox;
use sse_kit::{BoxError, Event};
use tokio::sync::Mutex;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls};

use crate::inbox::User;

/// The tables of the app, beside the schema `sse` of the log.
const TABLES: &str = "
    create table if not exists stock (
      item text primary key,
      pieces int not null check (pieces >= 0)
    );
    insert into stock values ('tea', 3), ('cake', 100) on conflict do nothing;
    create table if not exists orders (
      id bigint generated always as identity primary key,
      customer text not null,
      item text not null references stock
    );";

/// The orders of all users. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Orders {
    url: Arc<str>,
    /// One connection, where a real app has a pool.
    client: Arc<Mutex<Option<Client>>>,
}

/// An order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    id: i64,
    item: String,
}

/// The reason why an order was not placed.
#[derive(Debug)]
pub(crate) enum OrderError {
    /// There is no such item, or it is sold out.
    SoldOut,
    Failed(BoxError),
}

impl<E: Into<BoxError>> From<E> for OrderError {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl Orders {
    pub(crate) async fn open(url: &str) -> anyhow::Result<Self> {
        let client = connect(url).await.context("cannot connect to PostgreSQL")?;
        client.batch_execute(TABLES).await.context("cannot create the tables of orders")?;
        Ok(Self { url: url.into(), client: Arc::new(Mutex::new(Some(client))) })
    }

    /// Orders an item. The last statement fails if the item is sold out; the order and its notification then
    /// never were.
    pub(crate) async fn place(&self, customer: &User, item: &str) -> Result<(), OrderError> {
        let mut client = self.client.lock().await;
        let client = self.connected(&mut client).await?;
        let mut transaction = client.transaction().await?;
        let insert = "insert into orders (customer, item) select $1, item from stock where item = $2 \
            returning id";
        let customer_name = customer.to_string();
        let inserted = transaction.query_opt(insert, &[&customer_name, &item]).await?;
        let id = inserted.ok_or(OrderError::SoldOut)?.try_get(0)?;

        let order = Order { id, item: item.to_owned() };
        transaction.publish(customer.topic(), order.placed()?).await?;

        let take = "update stock set pieces = pieces - 1 where item = $1";
        match transaction.execute(take, &[&item]).await {
            Ok(_) => Ok(transaction.commit().await?),
            Err(error) if error.code() == Some(&SqlState::CHECK_VIOLATION) => {
                transaction.rollback().await?;
                Err(OrderError::SoldOut)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Returns the orders of a user, the oldest first.
    pub(crate) async fn of(&self, customer: &User) -> Result<Vec<Order>, BoxError> {
        let mut client = self.client.lock().await;
        let client = self.connected(&mut client).await?;
        let query = "select id, item from orders where customer = $1 order by id";
        let rows = client.query(query, &[&customer.to_string()]).await?;
        let order = |row: &tokio_postgres::Row| -> Result<_, tokio_postgres::Error> {
            Ok(Order { id: row.try_get(0)?, item: row.try_get(1)? })
        };
        Ok(rows.iter().map(order).collect::<Result<_, _>>()?)
    }

    /// Returns the connection, or another one if it has ended.
    async fn connected<'a>(
        &self,
        client: &'a mut Option<Client>,
    ) -> Result<&'a mut Client, tokio_postgres::Error> {
        let open = match client.take().filter(|client| !client.is_closed()) {
            Some(open) => open,
            None => connect(&self.url).await?,
        };
        Ok(client.insert(open))
    }
}

impl Order {
    /// Renders the order for a page.
    pub(crate) fn item(&self) -> Html {
        let Self { id, item } = self;
        Html::trusted(format!("<li id=\"order-{id}\">{}</li>", Html::text(item)))
    }

    /// Makes the event for pages. A page that has read the order already shows it once.
    fn placed(&self) -> Result<Event, BoxError> {
        let mut updates = Updates::new();
        updates.push(Update::delete(ElementId::new(&format!("order-{}", self.id))?));
        updates.push(Update::append(ElementId::from_static("orders"), &self.item())?);
        let event = sse_kit::update::message(&updates, Dialect::V4)?;
        event.ok_or_else(|| "an update is a message".into())
    }
}

/// Leaves the address out, which may have a password.
impl fmt::Debug for Orders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Orders").finish_non_exhaustive()
    }
}

/// Connects without TLS, and fails if the address requires it.
async fn connect(url: &str) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::warn!(%error, "the connection for orders ended");
        }
    });
    Ok(client)
}
