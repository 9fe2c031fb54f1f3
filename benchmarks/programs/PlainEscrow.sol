// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuard} from "@openzeppelin/contracts/utils/ReentrancyGuard.sol";

/// @title The least that an escrow between two can be, to measure Contracts against
/// @notice Written with OpenZeppelin's parts as one would by habit: full words, a storage lock, one
/// event a call. A price, a margin, an arbiter; no quantities, feeds, signatures, timeouts or ways
/// out by time. Not for use.
contract PlainEscrow is ReentrancyGuard {
    using SafeERC20 for IERC20;

    enum Status {
        Proposed,
        Signed,
        Funded,
        Released
    }

    struct Deal {
        address seller;
        address buyer;
        address arbiter;
        IERC20 token;
        uint256 price;
        uint256 margin;
        uint256 deadline;
        bytes32 terms;
        Status status;
        bool buyerFunded;
        bool sellerFunded;
    }

    uint256 public dealCount;
    mapping(uint256 id => Deal) public deals;
    mapping(uint256 id => mapping(address party => uint256)) public owed;

    event Proposed(
        uint256 indexed id,
        address indexed seller,
        address indexed buyer,
        uint256 price,
        uint256 margin,
        bytes32 terms
    );
    event Signed(uint256 indexed id, address indexed party);
    event Funded(uint256 indexed id, address indexed party, uint256 amount);
    event Released(uint256 indexed id, uint256 toSeller, uint256 toBuyer);
    event Withdrawn(uint256 indexed id, address indexed party, uint256 amount);

    error NotAllowed();

    function propose(Deal calldata deal) external returns (uint256 id) {
        require(msg.sender == deal.seller && deal.deadline > block.timestamp, NotAllowed());
        id = dealCount++;
        deals[id] = deal;
        emit Proposed(id, deal.seller, deal.buyer, deal.price, deal.margin, deal.terms);
    }

    function sign(uint256 id) external {
        Deal storage deal = deals[id];
        require(msg.sender == deal.buyer && deal.status == Status.Proposed, NotAllowed());
        deal.status = Status.Signed;
        emit Signed(id, msg.sender);
    }

    function fund(uint256 id) external nonReentrant {
        Deal storage deal = deals[id];
        bool isBuyer = msg.sender == deal.buyer;
        require(isBuyer || msg.sender == deal.seller, NotAllowed());
        require(deal.status == Status.Signed, NotAllowed());
        require(!(isBuyer ? deal.buyerFunded : deal.sellerFunded), NotAllowed());
        if (isBuyer) deal.buyerFunded = true;
        else deal.sellerFunded = true;
        if (deal.buyerFunded && deal.sellerFunded) deal.status = Status.Funded;
        uint256 amount = isBuyer ? deal.price : deal.margin;
        deal.token.safeTransferFrom(msg.sender, address(this), amount);
        emit Funded(id, msg.sender, amount);
    }

    /// By the buyer: price and margin to the seller. By the arbiter: as they say.
    function release(uint256 id, uint256 toSeller) external {
        Deal storage deal = deals[id];
        uint256 total = deal.price + deal.margin;
        require(deal.status == Status.Funded && toSeller <= total, NotAllowed());
        require(
            msg.sender == deal.arbiter || (msg.sender == deal.buyer && toSeller == total),
            NotAllowed()
        );
        deal.status = Status.Released;
        owed[id][deal.seller] = toSeller;
        owed[id][deal.buyer] = total - toSeller;
        emit Released(id, toSeller, total - toSeller);
    }

    function withdraw(uint256 id, address party) external nonReentrant {
        uint256 amount = owed[id][party];
        require(amount > 0, NotAllowed());
        owed[id][party] = 0;
        deals[id].token.safeTransfer(party, amount);
        emit Withdrawn(id, party, amount);
    }
}
