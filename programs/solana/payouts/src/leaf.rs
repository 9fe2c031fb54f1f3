// SPDX-License-Identifier: Apache-2.0
//! Leaves of the published tree (P-11).
use crate::{
    state::{Page, Place, Pool},
    Error, CLUSTER, ID,
};
use kit::{
    check,
    merkle::{root_of, Node},
    sysvar,
};
use pinocchio::{error::ProgramError, Address};

/// Words of 32 bytes, as Solidity's `abi.encode` lays them out.
const LENGTH: usize = 6 * 32;

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
        let root = root_of(&self.encoded(page.pool.address()), self.proof);
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

    #[inline(always)]
    fn encoded(&self, pool: &Address) -> [u8; LENGTH] {
        let mut words = [0; LENGTH];
        words[..32].copy_from_slice(CLUSTER.as_array());
        words[32..64].copy_from_slice(ID.as_array());
        words[64..96].copy_from_slice(pool.as_array());
        words[120..128].copy_from_slice(&self.index.to_be_bytes());
        words[128..160].copy_from_slice(self.account.as_array());
        words[184..].copy_from_slice(&self.amount.to_be_bytes());
        words
    }
}
