// SPDX-License-Identifier: Apache-2.0

/// Declares a program's two counters (G-3, G-4): how many entities it has made, and each
/// creator's next nonce. Both are kept for ever, which keeps ids from being used twice.
#[macro_export]
#[allow(clippy::crate_in_macro_def)]
macro_rules! counters {
    ($entities:ident) => {
        use crate::ID;
        use pinocchio::{error::ProgramError, AccountView, Address};
        use $crate::{
            account::{self, Payer},
            check,
            int::U64,
            Error,
        };

        /// PDA `["counter"]`.
        #[repr(C)]
        pub struct Counter {
            discriminator: [u8; 8],
            pub $entities: U64,
            pub bump: u8,
        }
        $crate::state!(Counter, 17, ID);

        impl Counter {
            pub const SEED: &'static [u8] = b"counter";

            /// The counter; made by the first entity's payer.
            fn load_or_create<'a>(
                payer: &Payer,
                account: &'a AccountView,
            ) -> Result<&'a mut Self, ProgramError> {
                if account.owned_by(&ID) {
                    return account::load::<Self>(account, Error::WrongCounter);
                }
                let (counter, bump) =
                    account::create::<Self, 1>(payer, account, [Self::SEED], Error::WrongCounter)?;
                counter.bump = bump;
                Ok(counter)
            }
        }

        /// PDA `["creator", creator]`.
        #[repr(C)]
        pub struct CreatorCounter {
            discriminator: [u8; 8],
            pub creator: Address,
            pub next_nonce: U64,
            pub bump: u8,
        }
        $crate::state!(CreatorCounter, 49, ID);

        impl CreatorCounter {
            pub const SEED: &'static [u8] = b"creator";

            /// The creator's counter; made by the payer of the creator's first entity.
            fn load_or_create<'a>(
                payer: &Payer,
                account: &'a AccountView,
                creator: &Address,
            ) -> Result<&'a mut Self, ProgramError> {
                if account.owned_by(&ID) {
                    let counter = account::load::<Self>(account, Error::WrongCreatorCounter)?;
                    check!(&counter.creator == creator, Error::WrongCreatorCounter);
                    return Ok(counter);
                }
                let seeds = [Self::SEED, creator.as_array()];
                let (counter, bump) =
                    account::create::<Self, 2>(payer, account, seeds, Error::WrongCreatorCounter)?;
                counter.creator = *creator;
                counter.bump = bump;
                Ok(counter)
            }
        }

        /// Counts an entity of `creator`; its nonce.
        pub fn count(
            payer: &Payer,
            counter: &AccountView,
            creator_counter: &AccountView,
            creator: &Address,
        ) -> Result<U64, ProgramError> {
            Counter::load_or_create(payer, counter)?.$entities.add(1)?;
            let creator_counter = CreatorCounter::load_or_create(payer, creator_counter, creator)?;
            let nonce = creator_counter.next_nonce;
            creator_counter.next_nonce.add(1)?;
            Ok(nonce)
        }
    };
}
