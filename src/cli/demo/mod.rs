//! `selkie demo`: a cluster in one process, one member of which is found out.

mod audience;
mod player;
mod screen;
mod story;

use core::{pin::pin, time::Duration};
use std::time::Instant;

use futures::{
    FutureExt,
    future::{Either, select},
};
use selkie::{
    Name, Node,
    admin::Chronicle,
    agent::{Event, Events},
};
use smol::{Timer, stream::StreamExt};

use self::{
    audience::Audience,
    player::Company,
    story::{Act, Missed, Sight, Story, Times},
};
use crate::{args::DemoArgs, failure::Failure, print};

/// How often the cluster is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Runs the command.
pub(crate) fn run(args: &DemoArgs) -> Result<(), Failure> {
    let mut audience = Audience::new(args.json, args.nodes);
    let outcome = smol::block_on(play(args, &mut audience));
    let reason = outcome.as_ref().err().map(Failure::reason);
    let told = match (&outcome, &reason) {
        (Ok(times), _) => audience.end(Ok(times)),
        (Err(_), reason) => audience.end(Err(reason.as_deref().unwrap_or_default())),
    };
    outcome?;
    told.map_err(|error| print::failed(&error))
}

async fn play(args: &DemoArgs, audience: &mut Audience) -> Result<Times, Failure> {
    let curtain = Instant::now();
    let (mut company, eyes) = Company::start(args.nodes, args.transport).await?;
    let cast = company.cast();
    let intro = format!(
        "{} members in this process, gossiping over {}; as {} sees them:",
        args.nodes,
        args.transport.name(),
        cast.observer
    );
    audience
        .say(&intro)
        .map_err(|error| print::failed(&error))?;
    let mut show = Show {
        eyes,
        chronicle: Chronicle::default(),
        story: Story::new(cast, usize::from(args.nodes)),
        curtain,
    };
    show.run(&mut company, audience).await
}

/// A performance going on.
struct Show {
    eyes: Events<Node>,
    chronicle: Chronicle,
    story: Story,
    curtain: Instant,
}

impl Show {
    async fn run(
        &mut self,
        company: &mut Company,
        audience: &mut Audience,
    ) -> Result<Times, Failure> {
        loop {
            let step = self.look(company, audience)?;
            match step.and_then(|step| step.next) {
                Some(Act::End) => return Ok(*self.story.times()),
                Some(act) => {
                    self.pass(audience.rest(), company, audience).await?;
                    self.perform(act, company, audience).await?;
                }
                None => self.wait(LOOK_EVERY, audience).await?,
            }
        }
    }

    /// Looks at the cluster, and shows it.
    fn look(
        &mut self,
        company: &Company,
        audience: &mut Audience,
    ) -> Result<Option<story::Step>, Failure> {
        let rows = company.rows();
        while let Some(Some(event)) = self.eyes.next().now_or_never() {
            self.tell(&event, audience)?;
        }
        let at = self.curtain.elapsed();
        let sight = Sight {
            at,
            complete: company.complete(),
            rows: &rows,
        };
        let step = self
            .story
            .observe(&sight)
            .map_err(|missed: Missed| Failure::new("demo failed", missed))?;
        let told = match &step {
            Some(step) => audience.step(at, step),
            None => Ok(()),
        };
        told.and_then(|()| audience.show(&rows, &self.story.present(at)))
            .map_err(|error| print::failed(&error))?;
        Ok(step)
    }

    /// Waits for an event, and tells it, but not longer than this.
    async fn wait(&mut self, most: Duration, audience: &mut Audience) -> Result<(), Failure> {
        let next = pin!(self.eyes.next());
        if let Either::Left((Some(event), _)) = select(next, Timer::after(most)).await {
            self.tell(&event, audience)?;
        }
        Ok(())
    }

    fn tell(&mut self, event: &Event<Node>, audience: &mut Audience) -> Result<(), Failure> {
        audience
            .happening(self.curtain.elapsed(), &self.chronicle.take(event))
            .map_err(|error| print::failed(&error))
    }

    /// Lets this time go by, in which the show goes on.
    async fn pass(
        &mut self,
        time: Duration,
        company: &Company,
        audience: &mut Audience,
    ) -> Result<(), Failure> {
        let start = Instant::now();
        while let Some(left) = time.checked_sub(start.elapsed()) {
            self.look(company, audience)?;
            self.wait(left.min(LOOK_EVERY), audience).await?;
        }
        Ok(())
    }

    async fn perform(
        &mut self,
        act: Act,
        company: &mut Company,
        audience: &mut Audience,
    ) -> Result<(), Failure> {
        let (verb, name): (_, Name) = match act {
            Act::Silence(name) => ("silence", name),
            Act::Restart(name) => ("restart", name),
            Act::Leave(name) => ("leave", name),
            Act::End => return Ok(()),
        };
        let at = self.curtain.elapsed();
        audience
            .act(at, verb, name.as_str())
            .map_err(|error| print::failed(&error))?;
        self.story.performed(at);
        match act {
            Act::Silence(name) => company.silence(name),
            Act::Restart(name) => company.restart(name).await?,
            Act::Leave(name) => company.leave(name),
            Act::End => {}
        }
        Ok(())
    }
}
