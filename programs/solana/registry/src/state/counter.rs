// SPDX-License-Identifier: Apache-2.0
kit::counters!(entities);

/// Counts an entity whose address holds no nonce: the global scope, a profile.
pub fn count_entity(payer: &Payer, counter: &AccountView) -> Result<u64, ProgramError> {
    Counter::load_or_create(payer, counter)?.entities.add(1)
}
