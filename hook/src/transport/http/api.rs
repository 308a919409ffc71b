//! What node and receiver tell each other beside uploads.

use std::time::Duration;

use recording::RecordId;
use recording::protocol::{
    ENROLL_PATH, Enrolled, Enrolment, Introduction, KNOWN_PATH, Known, KnownQuestion, MOST_AT_ONCE,
    NODE_PATH, NODE_RECORDINGS_PATH, NODE_REPORT_PATH, NODE_STATES_PATH, NodeRecording,
    NodeRecordings, NodeReport, NodeState, NodeStates, PROBE_PATH, PackageName, PackageStatus,
    Probed, RECORDINGS_PATH, RecordingState, VERIFY_PATH, Verification, Verified,
};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Http, answers};
use crate::failure::{Cause, Failure};
use crate::stop::Stop;

/// Pages of [`Http::recordings`] that are followed: a receiver that never ends must not keep the
/// node for ever.
const MOST_PAGES: usize = 10_000;

/// How long the receiver may take to say that it is still reading.
const READING: Duration = Duration::from_secs(60);

impl Http {
    /// What the receiver knows of a recording; `None` when it knows nothing.
    ///
    /// # Errors
    /// It cannot be asked, or answers with something else.
    pub(crate) async fn recording(
        &self,
        record_id: &RecordId,
    ) -> Result<Option<RecordingState>, Failure> {
        let url = self.url(&format!("{RECORDINGS_PATH}{record_id}"))?;
        let request = self.request(Method::GET, &url)?;
        let answer = self.finish(request, &url).await?;
        match answer.status() {
            StatusCode::NOT_FOUND => Ok(None),
            StatusCode::OK => self.read(answer, &url).await.map(Some),
            _ => Err(answers::refused("asking for the recording's state", answer, self).await),
        }
    }

    /// How far packages have come, in their order.
    ///
    /// # Errors
    /// The receiver cannot be asked, or does not answer for every package.
    pub(crate) async fn known_packages(
        &self,
        packages: &[PackageName],
    ) -> Result<Vec<Option<PackageStatus>>, Failure> {
        let mut statuses = Vec::with_capacity(packages.len());
        for some in packages.chunks(MOST_AT_ONCE) {
            let question = KnownQuestion {
                packages: some.to_vec(),
            };
            let known: Known = self
                .post(KNOWN_PATH, &question, "asking what is there")
                .await?;
            for_all(some.len(), known.packages.len())?;
            statuses.extend(known.packages);
        }
        Ok(statuses)
    }

    /// Has what the archive holds of packages read again; gives what was found, in their order.
    /// The receiver answers within a proxy's patience, so it is asked until it has read all, or
    /// this is to stop.
    ///
    /// # Errors
    /// The receiver cannot be asked, or does not answer for every package.
    pub(crate) async fn verify(
        &self,
        packages: &[PackageName],
        stop: &Stop,
    ) -> Result<Vec<Verification>, Failure> {
        let mut found = vec![Verification::Pending; packages.len()];
        loop {
            let open: Vec<usize> = (0..found.len())
                .filter(|at| found[*at] == Verification::Pending)
                .take(MOST_AT_ONCE)
                .collect();
            if open.is_empty() || stop.asked() {
                return Ok(found);
            }
            let question = KnownQuestion {
                packages: open.iter().map(|at| packages[*at].clone()).collect(),
            };
            let url = self.url(VERIFY_PATH)?;
            let request = self.request(Method::POST, &url)?.json(&question);
            // It takes its time with the answer, whatever is set for others.
            let patience = self.stall_timeout.max(READING);
            let answer = self.finish_within(patience, request, &url).await?;
            let doing = "having the archive read";
            let answer: Verified = self.understood(answer, &url, doing).await?;
            for_all(open.len(), answer.packages.len())?;
            for (at, verification) in open.into_iter().zip(answer.packages) {
                found[at] = verification;
            }
        }
    }

    /// Everything that the receiver has of this node.
    ///
    /// # Errors
    /// It cannot be asked.
    pub(crate) async fn recordings(&self) -> Result<Vec<NodeRecording>, Failure> {
        let mut all = Vec::new();
        let mut after: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let mut url = self.url(NODE_RECORDINGS_PATH)?;
            {
                let mut query = url.query_pairs_mut();
                query.append_pair("limit", &MOST_AT_ONCE.to_string());
                if let Some(after) = &after {
                    query.append_pair("after", after);
                }
            }
            let request = self.request(Method::GET, &url)?;
            let page: NodeRecordings = self
                .answered(request, &url, "asking what is there of this node")
                .await?;
            all.extend(page.recordings);
            match page.next {
                Some(next) if after.as_ref() != Some(&next) => after = Some(next),
                _ => return Ok(all),
            }
        }
        Err(Failure::new(
            Cause::Protocol,
            "the receiver's list of this node's recordings has no end",
        ))
    }

    /// Tells what became of recordings on the node.
    ///
    /// # Errors
    /// The receiver cannot be told.
    pub(crate) async fn tell_states(&self, states: &[NodeState]) -> Result<(), Failure> {
        for some in states.chunks(MOST_AT_ONCE) {
            let states = NodeStates {
                recordings: some.to_vec(),
            };
            self.tell(
                NODE_STATES_PATH,
                &states,
                "telling what became of recordings",
            )
            .await?;
        }
        Ok(())
    }

    /// Tells how the node is.
    ///
    /// # Errors
    /// The receiver cannot be told.
    pub(crate) async fn report(&self, report: &NodeReport) -> Result<(), Failure> {
        self.tell(NODE_REPORT_PATH, report, "telling how the node is")
            .await
    }

    /// Who the receiver is, and whom it takes this node for.
    ///
    /// # Errors
    /// It cannot be asked, or is no receiver.
    pub(crate) async fn introduction(&self) -> Result<Introduction, Failure> {
        let url = self.url(NODE_PATH)?;
        let request = self.request(Method::GET, &url)?;
        self.answered(request, &url, "asking who the receiver is")
            .await
    }

    /// Sends bytes that the receiver drops; gives how many arrived and how long it took.
    ///
    /// # Errors
    /// They do not arrive.
    pub(crate) async fn probe(&self, bytes: Vec<u8>) -> Result<(u64, Duration), Failure> {
        let url = self.url(PROBE_PATH)?;
        let begun = std::time::Instant::now();
        let request = self.request(Method::POST, &url)?.body(bytes);
        let probed: Probed = self
            .answered(request, &url, "sending bytes to try the way")
            .await?;
        Ok((probed.bytes, begun.elapsed()))
    }

    /// Exchanges a one-time code for a token; the one request without a token.
    ///
    /// # Errors
    /// The code is wrong, used or expired; the receiver cannot be reached.
    pub(crate) async fn enroll(&self, enrolment: &Enrolment) -> Result<Enrolled, Failure> {
        let url = self.url(ENROLL_PATH)?;
        let request = self.client.request(Method::POST, url.clone());
        let answer = self.finish(request.json(enrolment), &url).await?;
        match answer.status() {
            StatusCode::FORBIDDEN => Err(Failure::new(
                Cause::Settings,
                "the receiver does not take this code: it is wrong, used already or too old; make a \
                 new one with `bbb2pod-receiver node enroll NAME`",
            )),
            StatusCode::OK | StatusCode::CREATED => self.read(answer, &url).await,
            _ => Err(answers::refused("enrolling", answer, self).await),
        }
    }

    async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        doing: &str,
    ) -> Result<T, Failure> {
        let url = self.url(path)?;
        let request = self.request(Method::POST, &url)?.json(body);
        self.answered(request, &url, doing).await
    }

    async fn tell(&self, path: &str, body: &impl Serialize, doing: &str) -> Result<(), Failure> {
        let url = self.url(path)?;
        let request = self.request(Method::POST, &url)?.json(body);
        let answer = self.finish(request, &url).await?;
        if answer.status().is_success() {
            return Ok(());
        }
        Err(self.too_old_or(doing, answer).await)
    }

    async fn answered<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
        url: &Url,
        doing: &str,
    ) -> Result<T, Failure> {
        let answer = self.finish(request, url).await?;
        self.understood(answer, url, doing).await
    }

    async fn understood<T: DeserializeOwned>(
        &self,
        answer: Response,
        url: &Url,
        doing: &str,
    ) -> Result<T, Failure> {
        if answer.status() == StatusCode::OK {
            return self.read(answer, url).await;
        }
        Err(self.too_old_or(doing, answer).await)
    }

    async fn too_old_or(&self, doing: &str, answer: Response) -> Failure {
        if matches!(answer.status().as_u16(), 404 | 405) {
            let message = format!(
                "{doing}: {} does not know this question; is it a receiver, and not older than \
                 this hook?",
                self.base.origin().ascii_serialization()
            );
            return Failure::new(Cause::Protocol, message);
        }
        answers::refused(doing, answer, self).await
    }

    async fn read<T: DeserializeOwned>(&self, answer: Response, url: &Url) -> Result<T, Failure> {
        let body = answers::body(answer, self.stall_timeout).await;
        serde_json::from_slice(&body).map_err(|e| {
            let message =
                format!("{url} did not answer as a receiver does ({e}); is http.receiver right?");
            Failure::new(Cause::Protocol, message)
        })
    }
}

fn for_all(asked: usize, answered: usize) -> Result<(), Failure> {
    if asked == answered {
        return Ok(());
    }
    let message =
        format!("the receiver was asked about {asked} packages and answered for {answered}");
    Err(Failure::new(Cause::Protocol, message))
}
