//! Nodes that look at their row alone. One loop a node over whole columns, simple enough to vectorise.

use super::columns::Arenas;
use super::node::{IdAt, LogicAt, Node, NumberAt, Place};

/// Operations of one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unary {
    Negate,
    Exp,
    Log,
    Absolute,
}

/// Operations of two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    Add,
    Subtract,
    Multiply,
    Divide,
    Maximum,
    Minimum,
}

/// Comparisons of two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
    Equal,
    NotEqual,
}

/// Kleene's connectives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    And,
    Or,
}

/// One id of two; 0 when either is missing.
#[inline]
#[must_use]
pub fn mix(a: u64, b: u64) -> u64 {
    if a == 0 || b == 0 {
        return 0;
    }
    let x = (a ^ b.rotate_left(23)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    (x ^ (x >> 32)) | 1
}

#[inline]
fn held(value: f64) -> f64 {
    if value.is_finite() { value } else { f64::NAN }
}

/// 1, -1, or 0 where an operand is missing.
#[inline]
fn kleene(known: bool, holds: bool) -> i8 {
    i8::from(known) * (2 * i8::from(holds) - 1)
}

#[inline]
fn zip<A: Copy, B: Copy, T>(a: &[A], b: &[B], out: &mut [T], f: impl Fn(A, B) -> T) {
    for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
        *out = f(a, b);
    }
}

#[inline]
fn map<A: Copy, T>(a: &[A], out: &mut [T], f: impl Fn(A) -> T) {
    for (out, &a) in out.iter_mut().zip(a) {
        *out = f(a);
    }
}

/// Operands lie before the result in their arena: the arena is cut there.
fn cut<T>(arena: &mut [Vec<T>], out: usize, length: usize) -> (&[Vec<T>], &mut [T]) {
    let (before, after) = arena.split_at_mut(out);
    (before, &mut after[0][..length])
}

/// Runs a pointwise node over the first `length` rows; other nodes are none of its business.
pub fn run(node: &Node, arenas: &mut Arenas, length: usize) {
    match *node {
        Node::Unary(op, a, out) => unary(op, a, out, arenas, length),
        Node::Binary(op, a, b, out) => binary(op, a, b, out, arenas, length),
        Node::Choose(condition, a, b, out) => choose(condition, a, b, out, arenas, length),
        Node::Compare(op, a, b, out) => compare(op, a, b, out, arenas, length),
        Node::Same(different, a, b, out) => same(different, a, b, out, arenas, length),
        Node::Join(op, a, b, out) => {
            let (before, out) = cut(&mut arenas.logics, out.0, length);
            match op {
                Join::And => zip(&before[a.0], &before[b.0], out, i8::min),
                Join::Or => zip(&before[a.0], &before[b.0], out, i8::max),
            }
        }
        Node::Not(a, out) => {
            let (before, out) = cut(&mut arenas.logics, out.0, length);
            map(&before[a.0], out, |a: i8| -a);
        }
        Node::Known(place, out) => known(place, out, arenas, length),
        Node::Mix(a, b, out) => {
            let (before, out) = cut(&mut arenas.ids, out.0, length);
            zip(&before[a.0], &before[b.0], out, mix);
        }
        Node::Input(..)
        | Node::Time(_)
        | Node::Tally(_)
        | Node::Ask(_)
        | Node::Trees(_)
        | Node::Outside(_)
        | Node::Watch(_)
        | Node::Part(_) => {}
    }
}

fn unary(op: Unary, a: NumberAt, out: NumberAt, arenas: &mut Arenas, length: usize) {
    let (before, out) = cut(&mut arenas.numbers, out.0, length);
    let a = &before[a.0];
    match op {
        Unary::Negate => map(a, out, |a: f64| -a),
        Unary::Exp => map(a, out, |a: f64| held(a.exp())),
        Unary::Log => map(a, out, |a: f64| held(a.ln())),
        Unary::Absolute => map(a, out, f64::abs),
    }
}

fn binary(op: Binary, a: NumberAt, b: NumberAt, out: NumberAt, arenas: &mut Arenas, length: usize) {
    let (before, out) = cut(&mut arenas.numbers, out.0, length);
    let (a, b) = (&before[a.0], &before[b.0]);
    match op {
        Binary::Add => zip(a, b, out, |a: f64, b: f64| held(a + b)),
        Binary::Subtract => zip(a, b, out, |a: f64, b: f64| held(a - b)),
        Binary::Multiply => zip(a, b, out, |a: f64, b: f64| held(a * b)),
        Binary::Divide => zip(a, b, out, |a: f64, b: f64| held(a / b)),
        Binary::Maximum => zip(
            a,
            b,
            out,
            |a: f64, b: f64| if a > b || b.is_nan() { a } else { b },
        ),
        Binary::Minimum => zip(
            a,
            b,
            out,
            |a: f64, b: f64| if a < b || b.is_nan() { a } else { b },
        ),
    }
}

fn choose(
    condition: LogicAt,
    a: NumberAt,
    b: NumberAt,
    out: NumberAt,
    arenas: &mut Arenas,
    length: usize,
) {
    let (before, out) = cut(&mut arenas.numbers, out.0, length);
    let (condition, a, b) = (&arenas.logics[condition.0], &before[a.0], &before[b.0]);
    for (((out, &condition), &a), &b) in out.iter_mut().zip(condition).zip(a).zip(b) {
        *out = if condition > 0 {
            a
        } else if condition < 0 {
            b
        } else {
            f64::NAN
        };
    }
}

fn compare(
    op: Compare,
    a: NumberAt,
    b: NumberAt,
    out: LogicAt,
    arenas: &mut Arenas,
    length: usize,
) {
    let (a, b) = (&arenas.numbers[a.0], &arenas.numbers[b.0]);
    let out = &mut arenas.logics[out.0][..length];
    let known = |a: f64, b: f64| !(a.is_nan() | b.is_nan());
    match op {
        Compare::Greater => zip(a, b, out, |a, b| kleene(known(a, b), a > b)),
        Compare::GreaterEqual => zip(a, b, out, |a, b| kleene(known(a, b), a >= b)),
        Compare::Less => zip(a, b, out, |a, b| kleene(known(a, b), a < b)),
        Compare::LessEqual => zip(a, b, out, |a, b| kleene(known(a, b), a <= b)),
        Compare::Equal => zip(a, b, out, |a, b| kleene(known(a, b), a == b)),
        Compare::NotEqual => zip(a, b, out, |a, b| kleene(known(a, b), a != b)),
    }
}

fn same(different: bool, a: IdAt, b: IdAt, out: LogicAt, arenas: &mut Arenas, length: usize) {
    let (a, b) = (&arenas.ids[a.0], &arenas.ids[b.0]);
    let out = &mut arenas.logics[out.0][..length];
    zip(a, b, out, |a: u64, b: u64| {
        kleene((a != 0) & (b != 0), (a == b) != different)
    });
}

fn known(place: Place, out: LogicAt, arenas: &mut Arenas, length: usize) {
    match place {
        Place::Number(a) => map(
            &arenas.numbers[a.0],
            &mut arenas.logics[out.0][..length],
            |a: f64| kleene(true, !a.is_nan()),
        ),
        Place::Id(a) => map(
            &arenas.ids[a.0],
            &mut arenas.logics[out.0][..length],
            |a: u64| kleene(true, a != 0),
        ),
        Place::Logic(a) => {
            let (before, out) = cut(&mut arenas.logics, out.0, length);
            map(&before[a.0], out, |a: i8| kleene(true, a != 0));
        }
    }
}
