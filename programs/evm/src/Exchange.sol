// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {Escrow} from "./Escrow.sol";

/// @title Exchange: central limit order books
/// @notice Accounts deposit tokens and place limit orders in markets; orders trade by price, then
/// time, at the price of the one that rested. Rules are numbered in `programs/SPEC.md`.
/// @dev Amounts are in tokens' smallest units. Quantities count lots of the base token, prices
/// count ticks: `quantity` lots at `price` are worth `quantity × price × tick` of the quote token,
/// so nothing is ever rounded. No function is reserved to an owner: the contract has none.
///
/// A side of a book holds its price levels by key, the better price the lower key: the price itself
/// for sells, its complement for buys. Which keys have orders is a tree of bits, three words high;
/// the orders of a level are a list. So what a call costs depends on the levels and orders that it
/// touches, not on how many there are.
contract Exchange is Escrow {
    enum Side {
        Buy,
        Sell
    }

    enum Kind {
        /// What does not trade at once rests.
        GoodTillCancelled,
        /// What does not trade at once is cancelled.
        ImmediateOrCancel,
        /// All trades at once, or the call is refused.
        FillOrKill,
        /// The call is refused where anything would trade at once.
        PostOnly
    }

    /// @notice Why an order, or its rest, was cancelled.
    enum Reason {
        Owner,
        Immediate,
        SelfTrade,
        MaxFills
    }

    /// @notice Why a balance changed.
    enum Change {
        Deposit,
        Withdrawal,
        /// Paid for what an order took, and locked for what rests of it.
        Order,
        /// Received.
        Trade,
        /// Unlocked.
        Cancellation
    }

    /// @notice A market as it stands.
    struct Market {
        // ── all that a call writes, in one slot
        /// Number of the last event; 0 where there is no market.
        uint64 seq;
        /// Orders ever placed: the number of the last one.
        uint64 orders;
        /// Trades ever made: the number of the last one.
        uint64 trades;
        /// Best key of each side; `NONE` of an empty one.
        uint24 bestBuy;
        uint24 bestSell;
        // ── slot 2
        address base;
        /// Smallest units of base in a lot.
        uint96 lot;
        // ── slot 3
        address quote;
        /// Smallest units of quote that a tick adds to the price of a lot.
        uint96 tick;
        // ── slots 4, 5
        /// The least that an order must be worth, in quote.
        uint120 minNotional;
        uint64 nonce;
        address creator;
    }

    /// @notice What rests of an order; zeros where nothing does.
    struct Order {
        address owner;
        uint64 quantity;
        uint24 price;
        Side side;
        // ── slot 2: the list of its level
        /// The order before this one; means nothing in the first.
        uint64 prior;
        /// 0 in the last.
        uint64 next;
    }

    /// @notice The orders at one price.
    struct LevelView {
        uint24 price;
        uint256 quantity;
        uint256 orders;
    }

    struct Level {
        uint64 first;
        uint64 last;
    }

    struct Book {
        /// Which middle words have a bit.
        uint256 root;
        /// Leaves by key >> 8; middle words, of 256 leaves each, from `MIDDLE` on by key >> 16.
        mapping(uint256 index => uint256) words;
        mapping(uint256 key => Level) levels;
    }

    struct Balance {
        uint120 amount;
        /// Number of the last event.
        uint64 seq;
    }

    /// One order on its way through the book.
    struct Taker {
        bytes32 market;
        uint64 seq;
        uint64 order;
        uint64 trade;
        /// Best key of the opposite side.
        uint24 best;
        Side side;
        uint24 price;
        uint64 left;
        uint16 maxFills;
        uint96 lot;
        uint96 tick;
        address base;
        address quote;
        /// What it traded, in quote.
        uint256 worth;
        Reason reason;
        // ── the trade at hand
        uint64 makerOrder;
        address maker;
        uint64 makerLeft;
        uint24 makerPrice;
        uint64 lots;
        uint256 amount;
    }

    uint24 private constant NONE = type(uint24).max;
    uint256 private constant MIDDLE = 1 << 16;
    uint256 private constant MAX_FILLS = 100;

    /// @notice Markets ever opened.
    uint64 public marketCount;
    /// @notice Markets ever opened by `creator`: the nonce of the next one.
    mapping(address creator => uint64) public nonces;
    /// @notice What accounts have of a token here, free and locked in orders together.
    mapping(address token => uint120) public held;
    mapping(bytes32 balance => Balance) private _balances;
    mapping(bytes32 market => Market) private _markets;
    mapping(bytes32 market => mapping(uint64 order => Order)) private _orders;
    mapping(bytes32 market => mapping(Side => Book)) private _books;

    event MarketOpened(
        bytes32 indexed market,
        uint64 seq,
        address indexed actor,
        uint64 nonce,
        address base,
        address quote,
        uint96 lot,
        uint96 tick,
        uint120 minNotional
    );
    event OrderPlaced(
        bytes32 indexed market,
        uint64 seq,
        address indexed actor,
        uint64 order,
        Side side,
        Kind kind,
        uint24 price,
        uint64 quantity,
        uint64 leftAfter
    );
    event TradeExecuted(
        bytes32 indexed market,
        uint64 seq,
        address indexed actor,
        uint64 trade,
        uint64 order,
        address indexed maker,
        uint64 takerOrder,
        Side side,
        uint24 price,
        uint64 quantity,
        uint120 worth,
        uint64 leftAfter,
        uint32 day
    );
    event OrderCancelled(
        bytes32 indexed market,
        uint64 seq,
        address indexed actor,
        uint64 order,
        Side side,
        uint24 price,
        uint64 quantity,
        Reason reason,
        uint64 leftAfter
    );
    event BalanceChanged(
        bytes32 indexed balance,
        uint64 seq,
        address indexed actor,
        address indexed account,
        address token,
        Change change,
        uint120 amount,
        uint120 balanceAfter
    );

    error InvalidMarket();
    error ZeroAmount();
    error Overflow();
    error InvalidPrice();
    error InvalidFills();
    error BelowMinimum();
    error InsufficientBalance();
    error WouldTake();
    error NotFilled();
    error NotOwner();
    error OrderNotFound();
    error MarketNotFound();

    /// @notice Opens a market. Anyone may.
    /// @param lot smallest units of base in a lot
    /// @param tick smallest units of quote that a tick adds to the price of a lot
    /// @param minNotional the least that an order must be worth, in quote
    function open(address base, address quote, uint96 lot, uint96 tick, uint120 minNotional)
        external
        returns (bytes32 market)
    {
        require(base != quote && lot > 0 && tick > 0, InvalidMarket()); // X-2
        require(base.code.length > 0 && quote.code.length > 0, InvalidToken()); // X-2

        uint64 nonce = nonces[msg.sender]++;
        market = marketId(msg.sender, nonce);
        ++marketCount;
        Market storage m = _markets[market];
        (m.seq, m.bestBuy, m.bestSell) = (1, NONE, NONE);
        (m.base, m.lot, m.quote, m.tick) = (base, lot, quote, tick);
        (m.minNotional, m.nonce, m.creator) = (minNotional, nonce, msg.sender);
        emit MarketOpened(market, 1, msg.sender, nonce, base, quote, lot, tick, minNotional);
    }

    /// @notice Adds `amount` of `token` to the caller's balance.
    function deposit(address token, uint120 amount) external {
        _deposit(token, amount);
    }

    /// @notice As `deposit`, with an EIP-2612 permit of the caller instead of an earlier approval.
    function depositWithPermit(
        address token,
        uint120 amount,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external {
        _permit(IERC20(token), msg.sender, amount, deadline, v, r, s);
        _deposit(token, amount);
    }

    /// @notice Pays the caller `amount` of what they have free.
    function withdraw(address token, uint120 amount) external {
        require(amount > 0, ZeroAmount()); // X-4
        _debit(msg.sender, token, amount, Change.Withdrawal);
        held[token] -= amount;
        _push(IERC20(token), msg.sender, amount);
    }

    /// @notice Places an order: it trades with what rests at its price or better, the best price
    /// first, and of one price the oldest first; what happens to the rest, its kind says.
    /// @param price in ticks, 1 to 2^24 − 2
    /// @param quantity in lots
    /// @param maxFills trades that the call makes at most, 1 to 100
    /// @return order its number in the market
    function place(
        bytes32 market,
        Side side,
        uint24 price,
        uint64 quantity,
        Kind kind,
        uint16 maxFills
    ) external returns (uint64 order) {
        Market storage m = _market(market);
        require(quantity > 0, ZeroAmount()); // X-5
        require(price > 0 && price < NONE, InvalidPrice()); // X-5
        require(maxFills > 0 && maxFills <= MAX_FILLS, InvalidFills()); // X-5

        Taker memory t;
        (t.market, t.side, t.price, t.left, t.maxFills) = (market, side, price, quantity, maxFills);
        (t.seq, t.order, t.trade) = (m.seq, m.orders + 1, m.trades);
        t.best = side == Side.Buy ? m.bestSell : m.bestBuy;
        (t.base, t.lot, t.quote, t.tick) = (m.base, m.lot, m.quote, m.tick);
        _checkFunds(t, m.minNotional);
        if (kind == Kind.PostOnly) require(t.best > _reach(side, price), WouldTake()); // X-9
        else _match(_books[market][_opposite(side)], t);

        bool rests = t.left > 0 && t.reason == Reason.Owner;
        if (kind >= Kind.ImmediateOrCancel && kind <= Kind.FillOrKill && rests) {
            (t.reason, rests) = (Reason.Immediate, false);
        }
        require(kind != Kind.FillOrKill || t.left == 0, NotFilled()); // X-10
        _settle(t, quantity, rests);
        order = t.order;
        uint24 own = side == Side.Buy ? m.bestBuy : m.bestSell;
        if (rests) own = _rest(t, own);
        emit OrderPlaced(market, ++t.seq, msg.sender, order, side, kind, price, quantity, t.left);
        if (t.left > 0 && !rests) {
            _logCancelled(t);
        }
        (m.seq, m.orders, m.trades) = (t.seq, order, t.trade);
        (m.bestBuy, m.bestSell) = side == Side.Buy ? (own, t.best) : (t.best, own);
    }

    /// @notice Cancels what rests of an order. Only its owner.
    function cancel(bytes32 market, uint64 order) external {
        Market storage m = _market(market);
        Order storage o = _orders[market][order];
        (address owner, uint64 quantity, uint24 price, Side side) =
            (o.owner, o.quantity, o.price, o.side);
        require(owner != address(0), OrderNotFound()); // X-12
        require(msg.sender == owner, NotOwner()); // X-12

        uint24 best = _unlink(market, order, _key(side, price));
        if (best != 0) {
            if (side == Side.Buy) m.bestBuy = best;
            else m.bestSell = best;
        }
        delete _orders[market][order];
        emit OrderCancelled(
            market, ++m.seq, msg.sender, order, side, price, quantity, Reason.Owner, 0
        );
        // What was locked fitted when the order was placed.
        if (side == Side.Buy) {
            _credit(owner, m.quote, uint256(quantity) * price * m.tick, Change.Cancellation);
        } else {
            _credit(owner, m.base, uint256(quantity) * m.lot, Change.Cancellation);
        }
    }

    /// @notice The market as it stands.
    function getMarket(bytes32 market) external view returns (Market memory) {
        return _market(market);
    }

    /// @notice The best price of each side; 0 of an empty one.
    function getBest(bytes32 market) external view returns (uint24 buy, uint24 sell) {
        Market storage m = _market(market);
        if (m.bestBuy < NONE) buy = _key(Side.Buy, m.bestBuy);
        if (m.bestSell < NONE) sell = m.bestSell;
    }

    /// @notice What rests of an order.
    function getOrder(bytes32 market, uint64 order) external view returns (Order memory) {
        require(_orders[market][order].owner != address(0), OrderNotFound()); // X-12
        return _orders[market][order];
    }

    /// @notice The best price levels of a side, at most `max`, the best first.
    function getLevels(bytes32 market, Side side, uint256 max)
        external
        view
        returns (LevelView[] memory levels)
    {
        Market storage m = _market(market);
        Book storage book = _books[market][side];
        levels = new LevelView[](max);
        uint256 count;
        uint256 key = side == Side.Buy ? m.bestBuy : m.bestSell;
        while (key < NONE && count < max) {
            LevelView memory level = levels[count++];
            // Keys are below 2^24.
            // forge-lint: disable-next-line(unsafe-typecast)
            level.price = _key(side, uint24(key));
            uint64 order = book.levels[key].first;
            while (order > 0) {
                level.quantity += _orders[market][order].quantity;
                ++level.orders;
                order = _orders[market][order].next;
            }
            key = _seek(book, key + 1);
        }
        assembly ("memory-safe") {
            mstore(levels, count)
        }
    }

    /// @notice What `account` has free of `token`.
    function balanceOf(address account, address token) external view returns (uint120) {
        return _balances[balanceId(account, token)].amount;
    }

    /// @notice Id of the market that `creator` opened with `nonce` on this chain and contract.
    function marketId(address creator, uint64 nonce) public view returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(this), creator, nonce));
    }

    /// @notice Id of an account's balance of a token.
    function balanceId(address account, address token) public pure returns (bytes32) {
        return keccak256(abi.encode(account, token));
    }

    function _deposit(address token, uint120 amount) private {
        require(token.code.length > 0, InvalidToken()); // X-3
        require(amount > 0, ZeroAmount()); // X-3
        uint120 sum = held[token];
        require(amount <= type(uint120).max - sum, Overflow()); // X-3
        held[token] = sum + amount;
        _credit(msg.sender, token, amount, Change.Deposit);
        _pull(IERC20(token), msg.sender, amount);
    }

    /// @dev Trades `t` with the orders of the opposite side that it reaches.
    function _match(Book storage book, Taker memory t) private {
        uint24 reach = _reach(t.side, t.price);
        uint256 fills = t.maxFills;
        while (t.left > 0 && t.best <= reach) {
            Level storage level = book.levels[t.best];
            uint64 id = level.first;
            Order storage o = _orders[t.market][id];
            (address maker, uint64 has, uint24 price) = (o.owner, o.quantity, o.price);
            if (maker == msg.sender) t.reason = Reason.SelfTrade;
            else if (fills == 0) t.reason = Reason.MaxFills;
            if (t.reason != Reason.Owner) return;

            --fills;
            (t.makerOrder, t.maker, t.makerPrice) = (id, maker, price);
            t.lots = t.left < has ? t.left : has;
            t.makerLeft = has - t.lots;
            if (t.makerLeft > 0) o.quantity = t.makerLeft;
            else t.best = _shift(book, level, t);
            _trade(t);
        }
    }

    /// @dev Takes the first order off its level, and the level off its book if it was the last one.
    /// @return the side's best key
    function _shift(Book storage book, Level storage level, Taker memory t)
        private
        returns (uint24)
    {
        uint64 next = _orders[t.market][t.makerOrder].next;
        delete _orders[t.market][t.makerOrder];
        if (next > 0) {
            level.first = next;
            return t.best;
        }
        (level.first, level.last) = (0, 0);
        _clear(book, t.best);
        return _seek(book, t.best);
    }

    /// @dev Books the trade at hand: the maker is paid, the taker's side added up.
    function _trade(Taker memory t) private {
        t.amount = uint256(t.lots) * t.makerPrice * t.tick;
        t.worth += t.amount;
        t.left -= t.lots;
        // Both within what the maker's order was worth when it was placed.
        emit TradeExecuted(
            t.market,
            ++t.seq,
            msg.sender,
            ++t.trade,
            t.makerOrder,
            t.maker,
            t.order,
            _opposite(t.side),
            t.makerPrice,
            t.lots,
            // forge-lint: disable-next-line(unsafe-typecast)
            uint120(t.amount),
            t.makerLeft,
            // Of the Unix epoch: for what is summed by days.
            uint32(block.timestamp / 1 days)
        );
        if (t.side == Side.Buy) _credit(t.maker, t.quote, t.amount, Change.Trade);
        else _credit(t.maker, t.base, uint256(t.lots) * t.lot, Change.Trade);
    }

    /// @dev What is left of an order does not rest.
    function _logCancelled(Taker memory t) private {
        emit OrderCancelled(
            t.market, ++t.seq, msg.sender, t.order, t.side, t.price, t.left, t.reason, 0
        );
    }

    /// @dev Takes what the order paid and locks from its owner, and gives them what it bought.
    function _settle(Taker memory t, uint64 quantity, bool rests) private {
        uint256 traded = uint256(quantity - t.left) * t.lot;
        uint256 resting = rests ? t.left : 0;
        if (t.side == Side.Buy) {
            _debit(msg.sender, t.quote, t.worth + resting * t.price * t.tick, Change.Order);
            _credit(msg.sender, t.base, traded, Change.Trade);
        } else {
            _debit(msg.sender, t.base, traded + resting * t.lot, Change.Order);
            _credit(msg.sender, t.quote, t.worth, Change.Trade);
        }
    }

    /// @dev Puts what is left of the order at the end of its level.
    /// @return the best key of its side
    function _rest(Taker memory t, uint24 best) private returns (uint24) {
        uint24 key = _key(t.side, t.price);
        Book storage book = _books[t.market][t.side];
        Level storage level = book.levels[key];
        uint64 last = level.last;
        Order storage o = _orders[t.market][t.order];
        (o.owner, o.quantity, o.price, o.side) = (msg.sender, t.left, t.price, t.side);
        if (last == 0) {
            (level.first, level.last) = (t.order, t.order);
            _set(book, key);
        } else {
            level.last = t.order;
            o.prior = last;
            _orders[t.market][last].next = t.order;
        }
        return key < best ? key : best;
    }

    /// @dev Takes an order out of its level's list.
    /// @return best the side's best key, where it may have changed; else 0
    function _unlink(bytes32 market, uint64 order, uint24 key) private returns (uint24 best) {
        Order storage o = _orders[market][order];
        Book storage book = _books[market][o.side];
        Level storage level = book.levels[key];
        (uint64 first, uint64 last) = (level.first, level.last);
        (uint64 prior, uint64 next) = (o.prior, o.next);
        if (first == last) {
            (level.first, level.last) = (0, 0);
            _clear(book, key);
            Market storage m = _markets[market];
            if (key == (o.side == Side.Buy ? m.bestBuy : m.bestSell)) best = _seek(book, key);
        } else if (order == first) {
            level.first = next;
        } else {
            _orders[market][prior].next = next;
            if (order == last) level.last = prior;
            else _orders[market][next].prior = prior;
        }
    }

    function _credit(address account, address token, uint256 amount, Change change) private {
        if (amount == 0) return;
        bytes32 id = balanceId(account, token);
        Balance storage b = _balances[id];
        (uint120 has, uint64 seq) = (b.amount, b.seq);
        // At most what is held of the token, which fits.
        // forge-lint: disable-next-line(unsafe-typecast)
        has += uint120(amount);
        ++seq;
        (b.amount, b.seq) = (has, seq);
        // forge-lint: disable-next-line(unsafe-typecast)
        emit BalanceChanged(id, seq, msg.sender, account, token, change, uint120(amount), has);
    }

    function _debit(address account, address token, uint256 amount, Change change) private {
        if (amount == 0) return;
        bytes32 id = balanceId(account, token);
        Balance storage b = _balances[id];
        (uint120 has, uint64 seq) = (b.amount, b.seq);
        require(amount <= has, InsufficientBalance()); // X-4
        // Below a uint120.
        // forge-lint: disable-next-line(unsafe-typecast)
        has -= uint120(amount);
        ++seq;
        (b.amount, b.seq) = (has, seq);
        // forge-lint: disable-next-line(unsafe-typecast)
        emit BalanceChanged(id, seq, msg.sender, account, token, change, uint120(amount), has);
    }

    /// @dev Marks `key` as having orders.
    function _set(Book storage book, uint256 key) private {
        uint256 leaf = book.words[key >> 8];
        book.words[key >> 8] = leaf | _bit(key);
        if (leaf > 0) return;
        uint256 index = MIDDLE + (key >> 16);
        uint256 middle = book.words[index];
        book.words[index] = middle | _bit(key >> 8);
        if (middle == 0) book.root |= _bit(key >> 16);
    }

    /// @dev Marks `key` as having none.
    function _clear(Book storage book, uint256 key) private {
        uint256 leaf = book.words[key >> 8] ^ _bit(key);
        book.words[key >> 8] = leaf;
        if (leaf > 0) return;
        uint256 index = MIDDLE + (key >> 16);
        uint256 middle = book.words[index] ^ _bit(key >> 8);
        book.words[index] = middle;
        if (middle == 0) book.root ^= _bit(key >> 16);
    }

    /// @dev The lowest key with orders from `key` on; `NONE` where there is none.
    function _seek(Book storage book, uint256 key) private view returns (uint24) {
        uint256 bits = book.words[key >> 8] >> (key & 0xff);
        // Keys are below 2^24.
        // forge-lint: disable-next-line(unsafe-typecast)
        if (bits > 0) return uint24(key + _lowest(bits));
        uint256 leaf = (key >> 8) + 1;
        uint256 middle = leaf >> 8;
        bits = middle < 256 ? book.words[MIDDLE + middle] >> (leaf & 0xff) : 0;
        if (bits > 0) {
            leaf += _lowest(bits);
        } else {
            ++middle;
            bits = middle < 256 ? book.root >> middle : 0;
            if (bits == 0) return NONE;
            middle += _lowest(bits);
            leaf = (middle << 8) | _lowest(book.words[MIDDLE + middle]);
        }
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint24((leaf << 8) | _lowest(book.words[leaf]));
    }

    function _market(bytes32 market) private view returns (Market storage m) {
        m = _markets[market];
        require(m.seq > 0, MarketNotFound()); // X-13
    }

    /// @dev Whether the whole order at its limit fits the types, is large enough and can be paid.
    function _checkFunds(Taker memory t, uint120 minNotional) private view {
        // Below 2^184 and 2^160.
        uint256 worth = uint256(t.left) * t.price * t.tick;
        uint256 amount = uint256(t.left) * t.lot;
        require(worth <= type(uint120).max && amount <= type(uint120).max, Overflow()); // X-6
        require(worth >= minNotional, BelowMinimum()); // X-6
        (address token, uint256 needed) = t.side == Side.Buy ? (t.quote, worth) : (t.base, amount);
        require(_balances[balanceId(msg.sender, token)].amount >= needed, InsufficientBalance()); // X-6
    }

    /// @dev The worst key of the opposite side that an order of this price trades with.
    function _reach(Side side, uint24 price) private pure returns (uint24) {
        return side == Side.Buy ? price : NONE - price;
    }

    /// @dev Key of a price on its own side, and price of a key: the same either way.
    function _key(Side side, uint24 price) private pure returns (uint24) {
        return side == Side.Buy ? NONE - price : price;
    }

    function _opposite(Side side) private pure returns (Side) {
        return side == Side.Buy ? Side.Sell : Side.Buy;
    }

    function _bit(uint256 index) private pure returns (uint256) {
        // forge-lint: disable-next-line(incorrect-shift)
        return 1 << (index & 0xff);
    }

    /// @dev Index of the lowest bit that is set.
    function _lowest(uint256 bits) private pure returns (uint256) {
        return Math.log2(bits & (~bits + 1));
    }
}
