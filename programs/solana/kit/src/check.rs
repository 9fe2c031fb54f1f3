// SPDX-License-Identifier: Apache-2.0

/// Refuses the instruction with `$error` unless `$condition` holds.
///
/// Every rule of SPEC.md that a program enforces is written in this form, so that
/// tools/mutants.py finds them all and proves that a test misses each one.
#[macro_export]
macro_rules! check {
    ($condition:expr, $error:expr) => {
        if !($condition) {
            return Err($error.into());
        }
    };
}
