use core::{net::SocketAddr, time::Duration};

use selkie::Name;

use super::{Act, Cast, Sight, Step, StepKind, Story};
use crate::view::{Row, Standing};

#[test]
fn tells_the_whole_story_in_order() {
    let mut play = Play::new();
    let step = play.sees(300, 3, &[]).expect("converged");
    assert_eq!(step.kind, StepKind::Converged);
    assert_eq!(step.next, Some(Act::Silence(name("b"))));
    play.story.performed(ms(1000));

    let step = play.sees(2000, 0, &[row("b", Standing::Suspect, 7)]);
    assert_eq!(
        step.map(|s| (s.kind, s.next)),
        Some((StepKind::Suspect, None))
    );
    let step = play
        .sees(4000, 0, &[row("b", Standing::Down, 7)])
        .expect("down");
    assert_eq!(step.next, Some(Act::Restart(name("b"))));
    play.story.performed(ms(5000));

    let step = play
        .sees(5100, 0, &[row("b", Standing::Alive, 8)])
        .expect("back");
    assert_eq!(step.next, Some(Act::Leave(name("c"))));
    play.story.performed(ms(6000));

    let step = play
        .sees(6050, 0, &[row("c", Standing::Left, 7)])
        .expect("left");
    assert_eq!(step.next, Some(Act::End));

    let times = play.story.times();
    let all = [
        times.converged,
        times.suspect,
        times.down,
        times.rejoined,
        times.left,
    ];
    assert_eq!(all, [300, 1000, 3000, 100, 50].map(ms));
}

#[test]
fn a_suspicion_from_before_the_silence_does_not_count() {
    let mut play = Play::new();
    play.sees(1, 3, &[]);
    play.story.performed(ms(1000));
    let mut suspect = row("b", Standing::Suspect, 7);
    suspect.lasting = ms(200);
    assert_eq!(play.sees(1100, 0, &[suspect.clone()]), None);
    suspect.lasting = ms(90);
    assert!(play.sees(1100, 0, &[suspect]).is_some());
}

#[test]
fn its_former_life_is_not_taken_for_a_return() {
    let mut play = Play::new();
    play.sees(1, 3, &[row("b", Standing::Alive, 7)]);
    play.story.performed(ms(2));
    play.sees(3, 0, &[row("b", Standing::Suspect, 7)]);
    play.sees(4, 0, &[row("b", Standing::Down, 7)]);
    play.story.performed(ms(5));
    assert_eq!(play.sees(6, 0, &[row("b", Standing::Alive, 7)]), None);
    assert!(play.sees(7, 0, &[row("b", Standing::Alive, 8)]).is_some());
}

#[test]
fn a_suspicion_of_somebody_else_is_no_part_of_it() {
    let mut play = Play::new();
    play.sees(1, 3, &[]);
    play.story.performed(ms(2));
    assert_eq!(play.sees(3, 0, &[row("c", Standing::Down, 7)]), None);
}

#[test]
fn nothing_happens_while_an_act_is_due() {
    let mut play = Play::new();
    play.sees(1, 3, &[]);
    assert_eq!(play.sees(100_000, 0, &[row("b", Standing::Down, 7)]), None);
}

#[test]
fn a_missed_deadline_names_the_step() {
    let mut play = Play::new();
    let sight = Sight {
        at: StepKind::Converged.deadline() + ms(1),
        complete: 2,
        rows: &[],
    };
    let missed = play.story.observe(&sight).expect_err("too late");
    assert_eq!(
        missed.to_string(),
        "only 2 of 3 members saw all the others within 30 s (deadline of step \"converged\")"
    );
}

struct Play {
    story: Story,
}

impl Play {
    fn new() -> Self {
        let cast = Cast {
            observer: name("a"),
            victim: name("b"),
            leaver: name("c"),
        };
        Self {
            story: Story::new(cast, 3),
        }
    }

    #[track_caller]
    fn sees(&mut self, at: u64, complete: usize, rows: &[Row]) -> Option<Step> {
        let mut all = ["b", "c"]
            .map(|name| row(name, Standing::Alive, 7))
            .to_vec();
        for row in rows {
            all.retain(|other| other.name != row.name);
            all.push(row.clone());
        }
        let sight = Sight {
            at: ms(at),
            complete,
            rows: &all,
        };
        self.story.observe(&sight).expect("in time")
    }
}

fn row(of: &str, standing: Standing, generation: u64) -> Row {
    Row {
        name: name(of),
        addr: SocketAddr::from(([127, 0, 0, 1], 4000)),
        standing,
        incarnation: 0,
        generation,
        lasting: Duration::ZERO,
    }
}

fn name(name: &str) -> Name {
    name.parse().expect("a name")
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}
