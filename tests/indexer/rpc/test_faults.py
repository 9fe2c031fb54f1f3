"""Providers' own words, each with what the client must make of it."""

# ruff: noqa: E501  a quotation is not to be broken

from __future__ import annotations

import re

import pytest

from indexer.rpc.errors import RETRYABLE, Kind, NodeFatal, NodeRetryable, raised
from indexer.rpc.faults import TABLE, classify

W, M, R, L, B = Kind.WIDE, Kind.MANY, Kind.RATE, Kind.LAG, Kind.BATCH

WORDS = [
    # provider, code, message, kind, what else was learnt
    ("alchemy", -32602, "Log response size exceeded. You can make eth_getLogs requests with up to a 2K block range and no limit on the response size, or you can request any block range with a cap of 10K logs in the response. Based on your parameters and the response size limit, this block range should work: [0x0, 0xd043b8]", M, {"span": (0, 0xD043B8)}),
    ("alchemy", -32600, "You can make eth_getLogs requests with up to a 500 block range. Based on your parameters, this block range should work: [0x123c9b2, 0x123cba5]", W, {"blocks": 500, "span": (0x123C9B2, 0x123CBA5)}),
    ("alchemy", -32600, "Under the Free tier plan, you can make eth_getLogs requests with up to a 10 block range. Based on your parameters, this block range should work: [0x1, 0xa]. Upgrade to PAYG for expanded block range.", W, {"blocks": 10}),
    ("alchemy", -32000, "Log response size exceeded. Please reduce query block range.", M, {}),
    ("alchemy", 429, "Your app has exceeded its compute units per second capacity. If you have retries enabled, you can safely ignore this message. If not, check out https://docs.alchemy.com/reference/throughput", R, {}),
    ("alchemy", 429, "Monthly capacity limit exceeded. Visit https://dashboard.alchemyapi.io/settings/billing to upgrade your scaling policy for continued service.", Kind.REFUSED, {}),
    ("alchemy", -32600, "Must be authenticated!", Kind.REFUSED, {}),
    ("infura", -32005, "query returned more than 10000 results. Try with this block range [0xBDE5F8, 0x102DBCC].", M, {"span": (0xBDE5F8, 0x102DBCC)}),
    ("infura", -32005, "query returned more than 10000 results", M, {}),
    ("infura", -32602, "range 1000000 exceeds limit of 10000", W, {"blocks": 10000}),
    ("infura", -32005, "query timeout exceeded", M, {}),
    ("infura", -32005, "project ID request rate exceeded", R, {}),
    ("infura", -32005, "daily request count exceeded, request rate limited", R, {}),
    ("infura", -32005, "daily request count exceeded, request rate limited|{'allowed_rps': 1, 'backoff_seconds': 30}", R, {"after": 30.0}),
    ("infura", -32002, "invalid project id", Kind.REFUSED, {}),
    ("quicknode", -32614, "eth_getLogs is limited to a 10,000 range", W, {"blocks": 10000}),
    ("quicknode", -32602, "eth_getLogs and eth_newFilter are limited to a 10,000 blocks range", W, {"blocks": 10000}),
    ("quicknode", -32615, "eth_getLogs is limited to a 5 range", W, {"blocks": 5}),
    ("quicknode", -32007, "50/second request limit reached - reduce calls per second or upgrade your account at quicknode.com", R, {}),
    ("quicknode", -32012, "credits limited to 6000/sec", R, {}),
    ("ankr", -32600, "block range is too wide", W, {}),
    ("ankr", -32000, "Unauthorized: You must authenticate your request with an API key.", Kind.REFUSED, {}),
    ("cloudflare", -32047, "Invalid eth_getLogs request. 'fromBlock'-'toBlock' range too large. Max range: 800", W, {"blocks": 800}),
    ("cloudflare", -32603, "Internal error", Kind.TRANSIENT, {}),
    ("polygon-rpc", -32000, "tenant disabled", Kind.REFUSED, {}),
    ("nginx", 413, "Request Entity Too Large", B, {}),
    ("chainstack", -32000, "Method eth_getBlockReceipts is not supported on your plan", Kind.UNSUPPORTED, {}),
    ("llamanodes", -32000, "query exceeds max results 20000, retry with the range 59066104-59066970", M, {"span": (59066104, 59066970)}),
    ("drpc", 35, "ranges over 10000 blocks are not supported on freetier", W, {"blocks": 10000}),
    ("drpc", -32602, "query returns too many logs, narrow your filter: 20000", M, {"blocks": None}),
    ("drpc", 31, "Batch of more than 3 requests are not allowed on free tier, to use this feature register paid account at drpc.org", B, {"batch": 3}),
    ("drpc", 30, "Request timeout on the free tier, please upgrade your tier to the paid one", Kind.TIMEOUT, {}),
    ("chainstack", -32602, "Block range limit exceeded. See more details at https://docs.chainstack.com/docs/limits#evm-range-limits", W, {"blocks": None}),
    ("chainstack", -32005, "You've exceeded the RPS limit available on the current plan.", R, {}),
    ("getblock", -32005, "Too many requests", R, {}),
    ("blockpi", -32602, "eth_getLogs is limited to 1024 block range. Please check the parameter requirements at  https://docs.blockpi.io/documentations/api-reference", W, {"blocks": 1024}),
    ("publicnode", -32701, "exceed maximum block range: 50000", W, {"blocks": 50000}),
    ("tenderly", -32602, "invalid params|range 9009594 is bigger than range limit 2000", W, {"blocks": 2000}),
    ("thirdweb", -32000, "Log response size exceeded. Maximum allowed number of requested blocks is 2000", M, {}),
    ("moonbeam", -32603, "block range is too wide (maximum 1024)", W, {"blocks": 1024}),
    ("scroll", -32000, "block range is bigger than maxBlockRange", W, {}),
    ("morph", -32000, "block range is larger than max block range, block range = 5120, max block range = 5000", W, {"blocks": 5000}),
    ("optimism", -32062, "Block range is too large", W, {}),
    ("optimism", -32016, "over rate limit", R, {}),
    ("optimism", -32019, "block is out of range", L, {}),
    ("optimism", -32020, "backend response too large", M, {}),
    ("optimism", -32011, "no backend is currently healthy to serve traffic", Kind.TRANSIENT, {}),
    ("maticvigil", -32005, "Blockheight too far in the past. Check params passed to eth_getLogs or eth_call requests.Range of blocks allowed for your plan: 1000", W, {"blocks": 1000}),
    ("etherlink", -32000, "Cannot request logs over more than 1000 blocks", W, {"blocks": 1000}),
    ("avalanche", -32000, "requested too many blocks from 0 to 100000, maximum is set to 2048", W, {"blocks": 2048}),
    ("harmony", -32000, "query must be smaller than size 1024", W, {"blocks": 1024}),
    ("1rpc", -32000, "eth_getLogs is limited to 0 - 10000 blocks range", W, {"blocks": 10000}),
    ("zksync", -32602, "Query returned more than 10000 results. Try with this block range [0x1, 0x64].", M, {"span": (1, 100)}),
    ("bnb chain", -32005, "limit exceeded", M, {}),
    ("geth", -32602, "exceed maximum block range: 5000", W, {"blocks": 5000}),
    ("geth", -32602, "block range extends beyond current head block", L, {}),
    ("geth", -32000, "invalid block range params", L, {}),
    ("geth", -32000, "header not found", L, {}),
    ("geth", -32000, "unknown block", L, {}),
    ("anvil", -32602, "BlockOutOfRangeError: block height is 76 but requested was 78", L, {}),
    ("geth", 4444, "pruned history unavailable", Kind.PRUNED, {}),
    ("geth", -32000, "missing trie node 4c1f (path ) state 0x4c1f is not available", Kind.PRUNED, {}),
    ("geth", -32002, "request timed out", Kind.TIMEOUT, {}),
    ("geth", -32003, "response too large", M, {}),
    ("geth", -32600, "batch too large", B, {}),
    ("geth", -32601, "the method eth_getBlockReceipts does not exist/is not available", Kind.UNSUPPORTED, {}),
    ("geth", 3, "execution reverted: BetsClosed()", Kind.REVERTED, {}),
    ("erigon", -32602, "query block range exceeds server limit, narrow your filter: 5", W, {"blocks": 5}),
    ("erigon", -32000, "requested block range [4096, 8192] is beyond latest executed block 4000 (node is still syncing)", L, {}),
    ("erigon", -32000, "batch limit 100 exceeded: 250 requests given", B, {"batch": 100}),
    ("nethermind", -32001, "8633830 could not be found", L, {}),
    ("nethermind", -32005, "Batch size limit exceeded", B, {}),
    ("nethermind", -32001, "Block 0x7 not found", L, {}),
    ("reth", -32602, "query exceeds max block range 100000", W, {"blocks": 100000}),
    ("reth", -32602, "query exceeds max results 20000, retry with the range 25766988-25775072", M, {"span": (25766988, 25775072)}),
    ("reth", -32602, "block range extends beyond current head block: requested 0x2000, head 0x1000", L, {}),
    ("reth", -32001, "block not found: hash 0x12", L, {}),
    ("anvil", -32000, "Block not found", L, {}),
    ("anvil", -32601, "Method not found", Kind.UNSUPPORTED, {}),
    ("anvil", -32602, "invalid type: integer `5`, expected a string", Kind.INVALID, {}),
    ("agave", -32001, "Block 14265592 cleaned up, does not exist on node. First available block: 28031964", Kind.PRUNED, {}),
    ("agave", -32004, "Block not available for slot 33522758", L, {}),
    ("agave", -32014, "Block status not yet available for slot 33522758", L, {}),
    ("agave", -32007, "Slot 276316952 was skipped, or missing due to ledger jump to recent snapshot", Kind.SKIPPED, {}),
    ("agave", -32009, "Slot 132431657 was skipped, or missing in long-term storage", Kind.SKIPPED, {}),
    ("agave", -32005, "Node is behind by 42 slots", L, {}),
    ("agave", -32005, "Node is unhealthy", L, {}),
    ("agave", -32016, "Minimum context slot has not been reached", L, {}),
    ("agave", -32011, "Transaction history is not available from this node", Kind.PRUNED, {}),
    ("agave", -32015, 'Transaction version (2) is not supported by the requesting client. Please try the request again with the following configuration parameter: "maxSupportedTransactionVersion": 2', Kind.INVALID, {}),
    ("agave", -32002, "Transaction simulation failed: Error processing Instruction 0: custom program error: 0x1771", Kind.REVERTED, {}),
    ("agave", -32010, "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA excluded from account secondary indexes; this RPC method unavailable for key", Kind.UNSUPPORTED, {}),
    ("agave", -32602, "Invalid params: missing field `commitment`.", Kind.INVALID, {}),
    ("solana public", 429, "Too many requests for a specific RPC call", R, {}),
    ("triton", 429, "Too many requests from your IP, contact your app developer or support@rpcpool.com.", R, {}),
    ("helius", -32429, "rate limited", R, {}),
    ("helius", -32429, "max usage reached", Kind.REFUSED, {}),
    ("helius", -32401, "invalid api key provided", Kind.REFUSED, {}),
    ("quicknode solana", -32003, "15/second request limit reached - reduce calls per second", R, {}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("provider", "code", "message", "kind", "learnt"),
    WORDS,
    ids=[f"{w[0]}: {w[2][:40]}" for w in WORDS],
)
def test_what_a_node_says(
    provider: str, code: int, message: str, kind: Kind, learnt: dict[str, object]
) -> None:
    text, _, reason = message.partition("|")
    data = {"payload": reason} if reason else None
    method = "getBlock" if provider in ("agave", "helius", "triton") else "eth_getLogs"
    fault = classify(code, text, data, method=method)
    assert fault.kind is kind
    for name, value in learnt.items():
        assert getattr(fault, name) == value
    error = raised(fault, "chain: http://node: eth_getLogs at 7")
    assert isinstance(error, NodeRetryable if kind in RETRYABLE else NodeFatal)


@pytest.mark.parametrize("row", range(len(TABLE)))
def test_every_row_is_some_nodes_word(row: int) -> None:
    """A row that no known text needs would be a guess."""
    rows = [re.compile(pattern, re.IGNORECASE | re.DOTALL) for _, pattern in TABLE]
    texts = [w[2] for w in WORDS]
    first = {next((i for i, r in enumerate(rows) if r.search(t)), None) for t in texts}
    assert row in first, TABLE[row]


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (429, "", R),
        (429, "<html>slow</html>", R),
        (401, "", Kind.REFUSED),
        (403, "Forbidden", Kind.REFUSED),
        (404, "404 page not found", Kind.REFUSED),
        (413, "", B),
        (500, "", Kind.TRANSIENT),
        (502, "<html>502 Bad Gateway</html>", Kind.TRANSIENT),
        (503, "", Kind.TRANSIENT),
        (504, "", Kind.TIMEOUT),
        (524, "error code: 524", Kind.TIMEOUT),
    ],
)
def test_http_status_without_json(status: int, body: str, kind: Kind) -> None:
    assert classify(None, body, status=status).kind is kind


def test_limit_exceeded_is_a_rate_for_other_methods() -> None:
    assert classify(-32005, "limit exceeded", method="eth_getBlockByNumber").kind is R


def test_an_unknown_server_error_is_worth_another_try() -> None:
    assert classify(-32050, "the moon is full").kind is Kind.TRANSIENT
    assert classify(-32602, "the moon is full").kind is Kind.INVALID


def test_a_page_of_html_is_cut() -> None:
    assert len(classify(None, "<p>" * 1000, status=502).message) == 300
