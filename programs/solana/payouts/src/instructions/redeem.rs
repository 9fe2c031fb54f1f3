// SPDX-License-Identifier: Apache-2.0
use crate::{
    event::{check_events, VoucherRedeemed},
    state::{Pool, Status, Vendor, Voucher},
    Error, CLUSTER, ID,
};
use kit::{
    check, ed25519, sysvar,
    token::{self, check_token_owner, check_token_program},
};
use pinocchio::{AccountView, Address, ProgramResult};

/// What the beneficiary signs: this, the cluster, the program, the pool, the vendor, the amount,
/// the nonce (u64 le) and the expiry (i64 le).
const PREFIX: &[u8; 24] = b"chainfold payouts redeem";
const MESSAGE: usize = 24 + 4 * 32 + 3 * 8;

kit::accounts! {
    /// [signer] Anyone.
    actor,
    /// [writable] The pool.
    pool,
    /// [writable] PDA `["voucher", pool, account]`, the account being whose signature it is.
    voucher,
    /// [] PDA `["vendor", pool, vendor]`.
    vendor_account,
    /// [writable] PDA `["vault", pool]`.
    vault,
    /// [writable] A token account that the vendor owns.
    destination,
    /// [] Instructions sysvar; the ed25519 instruction stands right before this one.
    instructions,
    /// [] Classic SPL Token.
    token_program,
    /// [] PDA `["__event_authority"]`.
    event_authority,
    /// [] This program.
    program,
}

kit::args! {
    amount: u64,
    expiry: i64,
}

/// Pays a vendor out of a voucher, by the beneficiary's signature (P-14).
pub fn process(accounts: &[AccountView], data: &[u8]) -> ProgramResult {
    let a = Accounts::try_from(accounts)?;
    let args = Args::parse(data)?;
    check!(a.actor.is_signer(), kit::Error::NotSigner);
    check_token_program(a.token_program)?;
    check_events(a.event_authority, a.program)?;
    let pool = Pool::load(a.pool)?;
    check!(a.vault.address() == &pool.vault, kit::Error::WrongVault);
    let voucher = Voucher::load(a.voucher, a.pool.address())?;
    let vendor = Vendor::load(a.vendor_account, a.pool.address(), Error::NotVendor)?;
    check_token_owner(a.destination, &vendor.vendor)?;

    let now = sysvar::now()?;
    check!(vendor.allowed.get(), Error::NotVendor);
    check!(pool.is(Status::Published), Error::WrongStatus);
    check!(now < pool.expires_at.get(), Error::TooLate);
    check!(now <= args.expiry, Error::SignatureExpired);
    check!(args.amount > 0, kit::Error::ZeroAmount);
    let message = message(a.pool.address(), voucher, &vendor.vendor, &args);
    let signed = ed25519::is_signed(a.instructions, &voucher.account, &message);
    check!(signed, Error::InvalidSignature);
    check!(args.amount <= voucher.amount.get(), Error::ExceedsVoucher);

    let nonce = voucher.nonce.get();
    voucher.nonce.add(1)?;
    let voucher_after = voucher.amount.sub(args.amount)?;
    pool.vouchers.sub(args.amount)?;
    let seq = pool.next_seq()?;

    token::pay(a.vault, a.destination, a.pool, args.amount, &pool.seeds(&[pool.bump]))?;

    VoucherRedeemed {
        pool: a.pool.address(),
        seq,
        actor: a.actor.address(),
        account: &voucher.account,
        vendor: &vendor.vendor,
        amount: args.amount,
        nonce,
        voucher_after,
    }
    .emit(a.event_authority);
    Ok(())
}

#[inline(always)]
fn message(pool: &Address, voucher: &Voucher, vendor: &Address, args: &Args) -> [u8; MESSAGE] {
    let mut message = [0; MESSAGE];
    message[..24].copy_from_slice(PREFIX);
    message[24..56].copy_from_slice(CLUSTER.as_array());
    message[56..88].copy_from_slice(ID.as_array());
    message[88..120].copy_from_slice(pool.as_array());
    message[120..152].copy_from_slice(vendor.as_array());
    message[152..160].copy_from_slice(&args.amount.to_le_bytes());
    message[160..168].copy_from_slice(voucher.nonce.as_bytes());
    message[168..].copy_from_slice(&args.expiry.to_le_bytes());
    message
}
