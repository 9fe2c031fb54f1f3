// SPDX-License-Identifier: Apache-2.0
//! Leaves of the published tree (P-11).
use crate::{
    state::{Page, Place, Pool},
    Error, CLUSTER, ID,
};
use kit::{
    check,
    merkle::{encode, root_of, Node},
    sysvar,
};
use pinocchio::{error::ProgramError, Address};

/// What is claimed or allocated.
pub struct Leaf<'a> {
    pub index: u64,
    pub account: &'a Address,
    pub amount: u64,
    pub proof: &'a [Node],
}

impl Leaf<'_> {
    /// Checks the leaf, marks it and takes its amount off what is unclaimed (P-10); what is
    /// unclaimed after it. `page` is where the leaf's page is, or goes.
    #[inline(always)]
    pub fn take(&self, pool: &mut Pool, page: &Place) -> Result<u64, ProgramError> {
        pool.check_claims(sysvar::now()?)?;
        let exists = page.account.owned_by(&ID);
        if exists {
            let taken = Page::load(page.account, page.pool.address(), self.index)?;
            check!(!taken.is_taken(self.index), Error::AlreadyClaimed);
        }
        let root = self.root(page.pool.address());
        check!(root == pool.root, Error::InvalidProof);
        check!(self.amount <= pool.unclaimed.get(), Error::ExceedsTotal);

        let taken = if exists {
            Page::load(page.account, page.pool.address(), self.index)?
        } else {
            Page::create(page, pool, self.index)?
        };
        taken.take(self.index);
        pool.unclaimed.sub(self.amount)
    }

    /// The root of the tree that the proof proves this leaf of `pool` to be in (P-11).
    #[inline(always)]
    fn root(&self, pool: &Address) -> Node {
        let (index, amount) = (encode(self.index), encode(self.amount));
        let words: [&[u8]; 6] = [
            CLUSTER.as_array(),
            ID.as_array(),
            pool.as_array(),
            &index,
            self.account.as_array(),
            &amount,
        ];
        root_of(&words, self.proof)
    }
}
