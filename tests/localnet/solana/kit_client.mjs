// What @solana/kit does with the node given by its URLs; the last line of stdout is JSON.
import {
  airdropFactory,
  appendTransactionMessageInstruction,
  createSolanaRpc,
  createSolanaRpcSubscriptions,
  createTransactionMessage,
  generateKeyPairSigner,
  getSignatureFromTransaction,
  lamports,
  pipe,
  sendAndConfirmTransactionFactory,
  setTransactionMessageFeePayerSigner,
  setTransactionMessageLifetimeUsingBlockhash,
  signTransactionMessageWithSigners,
} from '@solana/kit';

const [url, wsUrl] = process.argv.slice(2);
const rpc = createSolanaRpc(url);
const rpcSubscriptions = createSolanaRpcSubscriptions(wsUrl);
const SOL = 1_000_000_000n;
const SYSTEM = '11111111111111111111111111111111';

const payer = await generateKeyPairSigner();
const other = await generateKeyPairSigner();
await airdropFactory({ rpc, rpcSubscriptions })({
  recipientAddress: payer.address,
  lamports: lamports(100n * SOL),
  commitment: 'confirmed',
});

function transfer(amount) {
  const data = new Uint8Array(12);
  const view = new DataView(data.buffer);
  view.setUint32(0, 2, true);
  view.setBigUint64(4, amount, true);
  return {
    programAddress: SYSTEM,
    accounts: [
      { address: payer.address, role: 3, signer: payer },
      { address: other.address, role: 1 },
    ],
    data,
  };
}

async function sign(amount) {
  const { value: blockhash } = await rpc.getLatestBlockhash({ commitment: 'confirmed' }).send();
  const message = pipe(
    createTransactionMessage({ version: 0 }),
    m => setTransactionMessageFeePayerSigner(payer, m),
    m => setTransactionMessageLifetimeUsingBlockhash(blockhash, m),
    m => appendTransactionMessageInstruction(transfer(amount), m),
  );
  return signTransactionMessageWithSigners(message);
}

const stop = new AbortController();
const options = { abortSignal: stop.signal };
const slots = await rpcSubscriptions.slotNotifications().subscribe(options);
const logs = await rpcSubscriptions
  .logsNotifications({ mentions: [other.address] }, { commitment: 'confirmed' })
  .subscribe(options);
const accounts = await rpcSubscriptions
  .accountNotifications(other.address, { commitment: 'confirmed', encoding: 'base64' })
  .subscribe(options);
const first = async stream => {
  for await (const one of stream) return one;
};
const told = [first(slots), first(logs), first(accounts)];

const sendAndConfirm = sendAndConfirmTransactionFactory({ rpc, rpcSubscriptions });
const signed = await sign(SOL);
await sendAndConfirm(signed, { commitment: 'confirmed' });
const signature = getSignatureFromTransaction(signed);
const [slot, log, account] = await Promise.all(told);
stop.abort();

const found = await rpc
  .getTransaction(signature, {
    commitment: 'confirmed',
    encoding: 'json',
    maxSupportedTransactionVersion: 0,
  })
  .send();
const { value: balance } = await rpc.getBalance(other.address, { commitment: 'confirmed' }).send();

let refused = null;
try {
  await sendAndConfirm(await sign(10n ** 18n), { commitment: 'confirmed' });
} catch (error) {
  const text = JSON.stringify(error.context, (_, v) => (typeof v === 'bigint' ? `${v}` : v));
  refused = text.includes('insufficient lamports') ? 'insufficient' : `${error}: ${text}`;
}

console.log(
  JSON.stringify({
    balance: `${balance}`,
    slots: slot.slot > slot.parent,
    logs: log.value.signature === signature,
    account: `${account.value.lamports}`,
    fee: `${found.meta.fee}`,
    refused,
  }),
);
process.exit(0);
