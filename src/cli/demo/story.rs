//! The demo's plot: what happens next, judged by what is seen. No clock, no socket.

use core::{fmt, time::Duration};

use selkie::Name;

use crate::view::{Row, Standing};

/// Who plays what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cast {
    /// Through whose eyes it is told.
    pub(crate) observer: Name,
    /// Who is silenced, and comes back.
    pub(crate) victim: Name,
    /// Who leaves.
    pub(crate) leaver: Name,
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Silence(Name),
    Restart(Name),
    Leave(Name),
    End,
}

/// A look at the cluster.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sight<'a> {
    /// Since the curtain rose.
    pub(crate) at: Duration,
    /// How many members see all the others.
    pub(crate) complete: usize,
    /// What the observer sees.
    pub(crate) rows: &'a [Row],
}

/// A step that was made: what to say about it, how long it took, and what comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) kind: StepKind,
    pub(crate) took: Duration,
    pub(crate) text: String,
    pub(crate) next: Option<Act>,
}

/// The steps, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StepKind {
    Converged,
    Suspect,
    Down,
    Rejoined,
    Left,
}

impl StepKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Converged => "converged",
            Self::Suspect => "suspect",
            Self::Down => "down",
            Self::Rejoined => "rejoined",
            Self::Left => "left",
        }
    }

    /// How long the step may take at most: many times what it does on an idle machine.
    pub(crate) fn deadline(self) -> Duration {
        match self {
            Self::Converged | Self::Suspect | Self::Rejoined => Duration::from_secs(30),
            Self::Down => Duration::from_secs(60),
            Self::Left => Duration::from_secs(15),
        }
    }
}

/// What is going on, in words, and for how long if a step's clock runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Present {
    pub(crate) text: String,
    pub(crate) lasting: Option<Duration>,
}

/// How long each step took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) converged: Duration,
    /// From the silence on, as is `down`.
    pub(crate) suspect: Duration,
    pub(crate) down: Duration,
    pub(crate) rejoined: Duration,
    pub(crate) left: Duration,
}

/// A step missed its deadline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Missed {
    step: StepKind,
    wanted: String,
}

impl fmt::Display for Missed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} within {} s (deadline of step \"{}\")",
            self.wanted,
            self.step.deadline().as_secs(),
            self.step.name()
        )
    }
}

/// The plot. [`observe`](Self::observe) what is seen; when a step asks for an [`Act`], do it and
/// say so with [`performed`](Self::performed).
///
/// ```text
/// Converged ─ Silence ─▶ Suspect ──▶ Down ─ Restart ─▶ Rejoined ─ Leave ─▶ Left ─ End
/// ```
#[derive(Debug)]
pub(crate) struct Story {
    cast: Cast,
    members: usize,
    wanted: StepKind,
    /// When the step's clock started; nothing is wanted while an act is due.
    since: Option<Duration>,
    /// The victim's life that was silenced.
    generation: u64,
    times: Times,
    is_over: bool,
}

impl Story {
    pub(crate) fn new(cast: Cast, members: usize) -> Self {
        Self {
            cast,
            members,
            wanted: StepKind::Converged,
            since: Some(Duration::ZERO),
            generation: 0,
            times: Times::default(),
            is_over: false,
        }
    }

    /// The step that this sight completes, if it does.
    pub(crate) fn observe(&mut self, sight: &Sight<'_>) -> Result<Option<Step>, Missed> {
        let Some(since) = self.since else {
            return Ok(None);
        };
        let took = sight.at.saturating_sub(since);
        if self.is_reached(sight, took) {
            return Ok(Some(self.advance(sight, took)));
        }
        if took > self.wanted.deadline() {
            return Err(Missed {
                step: self.wanted,
                wanted: self.missed(sight),
            });
        }
        Ok(None)
    }

    /// The act that the last step asked for was done.
    pub(crate) fn performed(&mut self, at: Duration) {
        self.since = Some(at);
    }

    pub(crate) fn times(&self) -> &Times {
        &self.times
    }

    /// What is going on at this time.
    pub(crate) fn present(&self, at: Duration) -> Present {
        let Cast { victim, leaver, .. } = self.cast;
        let lasting = self.since.map(|since| at.saturating_sub(since));
        let text = match (self.wanted, lasting) {
            (StepKind::Converged, _) => "until each sees all the others".to_owned(),
            (StepKind::Suspect, None) => format!("next, {victim} falls silent, without a word"),
            (StepKind::Suspect, Some(_)) => format!("{victim} is silent: its socket is dead"),
            (StepKind::Down, _) => format!("{victim} may still refute that it is dead"),
            (StepKind::Rejoined, None) => format!("next, {victim} starts again"),
            (StepKind::Rejoined, Some(_)) => format!("{victim} starts again, on another port"),
            (StepKind::Left, None) if self.is_over => String::new(),
            (StepKind::Left, None) => format!("next, {leaver} leaves, and says so"),
            (StepKind::Left, Some(_)) => format!("{leaver} leaves, and says so"),
        };
        Present { text, lasting }
    }

    fn is_reached(&self, sight: &Sight<'_>, took: Duration) -> bool {
        let Cast { victim, leaver, .. } = self.cast;
        let of = |name| sight.rows.iter().find(|row| row.name == name);
        let stands = |name, standing| of(name).is_some_and(|row: &Row| row.standing == standing);
        match self.wanted {
            StepKind::Converged => sight.complete >= self.members,
            // A suspicion from before the silence does not count, and one that ends at once may
            // never be seen.
            StepKind::Suspect => of(victim).is_some_and(|row| match row.standing {
                Standing::Suspect => row.lasting <= took,
                standing => standing == Standing::Down,
            }),
            StepKind::Down => stands(victim, Standing::Down),
            StepKind::Rejoined => of(victim).is_some_and(|row| {
                row.standing == Standing::Alive && row.generation > self.generation
            }),
            StepKind::Left => of(leaver).is_none_or(|row| row.standing == Standing::Left),
        }
    }

    fn advance(&mut self, sight: &Sight<'_>, took: Duration) -> Step {
        let Cast {
            observer,
            victim,
            leaver,
        } = self.cast;
        let row = sight.rows.iter().find(|row| row.name == victim);
        let kind = self.wanted;
        let (text, wanted, next) = match kind {
            StepKind::Converged => {
                self.times.converged = took;
                self.generation = row.map_or(0, |row| row.generation);
                let text = format!("{} members: each sees all the others", self.members);
                (text, StepKind::Suspect, Some(Act::Silence(victim)))
            }
            StepKind::Suspect => {
                self.times.suspect = took;
                let text = format!("{victim} fell silent: {observer} suspects it");
                (text, StepKind::Down, None)
            }
            StepKind::Down => {
                self.times.down = took;
                let text = format!("{victim} did not refute: it is down");
                (text, StepKind::Rejoined, Some(Act::Restart(victim)))
            }
            StepKind::Rejoined => {
                self.times.rejoined = took;
                let port = row.map_or(0, |row| row.addr.port());
                let text = format!("{victim} is back, on port {port}, as a newer generation");
                (text, StepKind::Left, Some(Act::Leave(leaver)))
            }
            StepKind::Left => {
                self.times.left = took;
                let text = format!("{leaver} left: it is gone at once");
                (text, StepKind::Left, Some(Act::End))
            }
        };
        self.wanted = wanted;
        self.is_over = next == Some(Act::End);
        if next.is_some() {
            self.since = None;
        }
        Step {
            kind,
            took,
            text,
            next,
        }
    }

    fn missed(&self, sight: &Sight<'_>) -> String {
        let Cast {
            observer,
            victim,
            leaver,
        } = self.cast;
        match self.wanted {
            StepKind::Converged => format!(
                "only {} of {} members saw all the others",
                sight.complete, self.members
            ),
            StepKind::Suspect => format!("{observer} did not suspect the silent {victim}"),
            StepKind::Down => format!("{observer} did not declare the silent {victim} down"),
            StepKind::Rejoined => format!("{observer} did not see {victim} come back"),
            StepKind::Left => format!("{observer} did not see {leaver} leave"),
        }
    }
}

#[cfg(test)]
mod tests;
