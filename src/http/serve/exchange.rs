//! Wraps the router so that requests and responses update the connection's phase.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::service::TowerToHyperService;

use super::Arrival;
use super::activity::Phase;
use super::connections::Slot;

/// The router for the requests of one connection.
pub(super) struct Exchange {
    router: TowerToHyperService<Router>,
    slot: Slot,
    arrival: Arrival,
}

impl Exchange {
    pub(super) fn new(router: Router, slot: Slot, arrival: Arrival) -> Self {
        Self { router: TowerToHyperService::new(router), slot, arrival }
    }
}

impl Service<Request<Incoming>> for Exchange {
    type Response = Response<WatchedBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let in_hand = InHand(self.slot.clone());
        in_hand.0.enter(if request.body().is_end_stream() { Phase::Answering } else { Phase::Receiving });
        request.extensions_mut().insert(self.arrival);
        let answer = self.router.call(request);
        Box::pin(async move {
            let response = answer.await?;
            in_hand.0.enter(Phase::Sending);
            Ok(response.map(|body| WatchedBody { body, _in_hand: in_hand }))
        })
    }
}

/// An active request. Dropping it makes the connection idle.
struct InHand(Slot);

impl Drop for InHand {
    fn drop(&mut self) {
        self.0.enter(Phase::Idle);
    }
}

/// A response body. Its end ends the request.
pub(super) struct WatchedBody {
    body: Body,
    _in_hand: InHand,
}

impl HttpBody for WatchedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
