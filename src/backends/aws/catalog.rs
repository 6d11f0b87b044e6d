//! The catalog on DynamoDB: one item per image, every transition one conditional UpdateItem.

mod expression;
mod item;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};

use self::expression::{Rendered, Terms};
use super::clients::{CREATE, RECORD, Urgency};
use super::errors;
use crate::ports::catalog::Page;
use crate::ports::{Catalog, ErrorKind, Operation, PortError};
use crate::record::{Applied, ImageId, ImageRecord, Transition};

/// Records in one page of a scan.
const PAGE_RECORDS: i32 = 1000;

/// Tries to store a new record.
const CREATES: u32 = 3;

/// One table with the hash key `id`.
pub struct DynamoCatalog {
    client: Client,
    table: String,
    urgency: Urgency,
}

impl DynamoCatalog {
    /// Uses the table named `table`.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table, urgency: Urgency::Background }
    }

    /// The same table for calls that a client of the API waits for: fewer and shorter tries.
    pub fn interactive(self) -> Self {
        Self { urgency: Urgency::Interactive, ..self }
    }

    /// Tries once to store a new record. [`CreateError::Exists`] when the id already has one.
    async fn put_new(&self, record: &ImageRecord) -> Result<(), CreateError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item::of(record).map_err(|error| invalid(Operation::CatalogCreate, error))?))
            .condition_expression("attribute_not_exists(#id)")
            .expression_attribute_names("#id", "id")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match put.customize().config_override(CREATE.for_caller(self.urgency).dynamodb()).send().await {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                    Err(CreateError::Exists(failed.item.clone()))
                }
                _ => Err(CreateError::Failed(errors::port_error(Operation::CatalogCreate, &error).on(&self.table))),
            },
        }
    }
}

/// Why a new record was not stored.
enum CreateError {
    /// The id already has a record: the item, if the response contained it.
    Exists(Option<item::Item>),
    Failed(PortError),
}

impl From<PortError> for CreateError {
    fn from(error: PortError) -> Self {
        Self::Failed(error)
    }
}

#[async_trait]
impl Catalog for DynamoCatalog {
    async fn create(&self, record: &ImageRecord) -> Result<(), PortError> {
        for attempt in 1.. {
            match self.put_new(record).await {
                Ok(()) => return Ok(()),
                // After a try without a response, the record found may be the one that this try stored.
                Err(CreateError::Exists(found)) => {
                    let found = match found {
                        Some(found) => {
                            Some(item::read(found).map_err(|error| damaged(Operation::CatalogCreate, error))?)
                        }
                        None => self.get(&record.id).await?,
                    };
                    let is_own = attempt > 1 && found.as_ref() == Some(record);
                    return if is_own {
                        Ok(())
                    } else {
                        Err(PortError::new(ErrorKind::AlreadyExists, Operation::CatalogCreate))
                    };
                }
                Err(CreateError::Failed(error)) if attempt < CREATES && error.kind == ErrorKind::Unavailable => {}
                Err(CreateError::Failed(error)) => return Err(error),
            }
        }
        Err(PortError::new(ErrorKind::Unavailable, Operation::CatalogCreate))
    }

    async fn get(&self, id: &ImageId) -> Result<Option<ImageRecord>, PortError> {
        let get = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("id", AttributeValue::S(id.as_str().to_owned()))
            .consistent_read(true);
        let found = get.customize().config_override(RECORD.for_caller(self.urgency).dynamodb()).send().await;
        let found = found.map_err(|error| errors::port_error(Operation::CatalogLook, &error).on(&self.table))?;
        found.item.map(item::read).transpose().map_err(|error| damaged(Operation::CatalogLook, error))
    }

    async fn update(&self, transition: &Transition) -> Result<Applied, PortError> {
        let Rendered { condition, update, terms } = expression::render(transition);
        let write = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("id", AttributeValue::S(transition.id.as_str().to_owned()))
            .condition_expression(condition)
            .update_expression(update)
            .set_expression_attribute_names(Some(terms.names))
            .set_expression_attribute_values(Some(terms.values))
            .return_values(ReturnValue::AllOld)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match write.customize().config_override(RECORD.for_caller(self.urgency).dynamodb()).send().await {
            Ok(written) => {
                // dynoxide returns the key of an item that did not exist; a record has more than its key.
                let before = written.attributes.filter(|item| item.len() > 1);
                let before =
                    before.map(item::read).transpose().map_err(|error| damaged(Operation::CatalogApply, error))?;
                Ok(Applied::Written { before })
            }
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                    // Not every DynamoDB-compatible store returns the item, and a missing item cannot be returned.
                    let current = match failed.item.clone().filter(|item| !item.is_empty()) {
                        Some(item) => Some(item::read(item).map_err(|error| damaged(Operation::CatalogApply, error))?),
                        None => self.get(&transition.id).await?,
                    };
                    Ok(Applied::Refused { current })
                }
                _ => Err(errors::port_error(Operation::CatalogApply, &error).on(&self.table)),
            },
        }
    }

    async fn scan(&self, next: Option<&str>) -> Result<Page, PortError> {
        let start = next.map(|id| [("id".to_owned(), AttributeValue::S(id.to_owned()))].into());
        let scan = self
            .client
            .scan()
            .table_name(&self.table)
            .limit(PAGE_RECORDS)
            .consistent_read(true)
            .set_exclusive_start_key(start);
        let page = scan.customize().config_override(RECORD.for_caller(self.urgency).dynamodb()).send().await;
        let page = page.map_err(|error| errors::port_error(Operation::CatalogScan, &error).on(&self.table))?;
        let records = page.items.unwrap_or_default().into_iter().map(item::read).collect::<Result<_, _>>();
        let last = page.last_evaluated_key.and_then(|mut key| key.remove("id"));
        Ok(Page {
            records: records.map_err(|error| damaged(Operation::CatalogScan, error))?,
            next: last.and_then(|id| id.as_s().ok().cloned()),
        })
    }

    async fn delete(&self, id: &ImageId, rev: Option<u64>) -> Result<(), PortError> {
        let mut delete =
            self.client.delete_item().table_name(&self.table).key("id", AttributeValue::S(id.as_str().to_owned()));
        if let Some(rev) = rev {
            let mut terms = Terms::default();
            let condition = expression::is_absent_or_at(&mut terms, rev);
            delete = delete
                .condition_expression(condition)
                .set_expression_attribute_names(Some(terms.names))
                .set_expression_attribute_values(Some(terms.values));
        }
        let deleted = delete.customize().config_override(RECORD.for_caller(self.urgency).dynamodb()).send().await;
        deleted.map(|_| ()).map_err(|error| errors::port_error(Operation::CatalogDelete, &error).on(&self.table))
    }
}

/// A record that cannot be converted to an item.
fn invalid(operation: Operation, error: item::UnreadableItem) -> PortError {
    PortError::with_source(ErrorKind::Invalid, operation, error)
}

/// An item that cannot be converted to a record. The response may be damaged and the item intact, so a retry may help.
fn damaged(operation: Operation, error: item::UnreadableItem) -> PortError {
    PortError::with_source(ErrorKind::Damaged, operation, error)
}
