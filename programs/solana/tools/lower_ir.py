"""LLVM IR (text) that the BPF backend cannot select, rewritten into IR that it can.

- a function with more than five arguments, or one that returns an aggregate: inlined;
- `sret`, which marks the pointer that a result is written to: an ordinary argument;
- memcpy, memmove, memset of unknown or large size: Solana's system calls;
- 64-bit multiplication with overflow, 128-bit multiplication and division, signed division:
  functions in IR, always inlined.
"""

import re

MAX_ARGUMENTS = 5
INLINE_COPY = 256  # bytes up to which llc may unroll a copy

VALUE = r'(?:%[-\w.$"]+|-?\d+|poison|undef|true|false|@[-\w.$"]+|null)'
CONSTANT_EXPRESSION = re.compile(r"(?:getelementptr|inttoptr|ptrtoint).*$")


def split_arguments(text: str) -> list[str]:
    """Top-level comma-separated parts of an argument list."""
    parts: list[str] = []
    depth, part = 0, ""
    for char in text:
        depth += (char in "([{") - (char in ")]}")
        if char == "," and depth == 0:
            parts.append(part.strip())
            part = ""
        else:
            part += char
    return [*parts, part.strip()] if part.strip() else parts


def operand(argument: str) -> str:
    """The value of an argument, without its type and attributes."""
    expression = CONSTANT_EXPRESSION.search(argument)
    return expression.group(0) if expression else argument.split()[-1]


# ---- calling convention ------------------------------------------------------------------------

DEFINE = re.compile(r'^define (?P<head>.*?)@(?P<name>[\w.$"]+)\((?P<rest>.*)$')


def closing(text: str) -> int:
    """Index of the parenthesis that closes the one before `text`."""
    depth = 1
    for index, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if depth == 0:
            return index
    raise ValueError(f"no closing parenthesis in {text!r}")


def inline_unpassable(ir: str) -> tuple[str, int]:
    """Marks functions that BPF's calling convention has no room for `alwaysinline`; how many.

    The rest of a function's attributes stays: LLVM inlines only between equal targets.
    """
    marked: set[str] = set()
    lines = ir.split("\n")
    groups: dict[str, int] = {}
    for index, line in enumerate(lines):
        if line.startswith("attributes #"):
            groups[line.split()[1]] = index
    for index, line in enumerate(lines):
        match = DEFINE.match(line)
        if not match or match["name"] == "entrypoint":
            continue
        end = closing(match["rest"])
        arguments, tail = match["rest"][:end], match["rest"][end + 1 :]
        returns_aggregate = re.search(r"[{\[]", match["head"]) is not None
        if len(split_arguments(arguments)) <= MAX_ARGUMENTS and not returns_aggregate:
            continue
        group = re.search(r"#\d+", tail)
        attributes = lines[groups[group[0]]].split("{", 1)[1] if group else " }"
        if "alwaysinline" in attributes:  # was marked and is still there: recursive, or its
            continue  # address is taken. llc says so.
        name = f"#{len(groups)}"
        attributes = re.sub(r" (noinline|optsize|minsize)\b", "", attributes)
        groups[name] = len(lines)
        lines.append(f"attributes {name} = {{ alwaysinline{attributes}")
        lines[index] = f"define {match['head']}@{match['name']}({arguments}) {name} {{"
        marked.add(match["name"])
    for index, line in enumerate(lines):
        call = re.search(r"\bcall .*?@([\w.$\"]+)\(", line)
        if call and call[1] in marked:  # a call may say noinline itself
            lines[index] = re.sub(r" #\d+(?=(, !|$))", "", line)
    return "\n".join(lines), len(marked)


# ---- instructions ------------------------------------------------------------------------------


def lower(ir: str) -> str:
    used: set[str] = set()

    def copy(match: re.Match[str]) -> str:
        kind, (target, source, length, *_) = match[1], split_arguments(match[2])
        size = operand(length)
        if size.isdigit() and int(size) <= INLINE_COPY:
            return match[0]
        used.add(kind)
        target, source = operand(target), operand(source)
        if kind == "memset":
            return f"call void @__sbf_memset(ptr {target}, i8 {source}, i64 {size})"
        return f"call void @sol_{kind}_(ptr {target}, ptr {source}, i64 {size})"

    def overflow(match: re.Match[str]) -> str:
        a, b = (operand(argument) for argument in split_arguments(match[2]))
        used.add(match[1] + "o")
        return f"call {{ i64, i1 }} @__sbf_{match[1]}o(i64 {a}, i64 {b})"

    def arithmetic(match: re.Match[str]) -> str:
        operation, kind, a, b = match.groups()
        used.add(operation + kind[1:])
        return f"call {kind} @__sbf_{operation}{kind[1:]}({kind} {a}, {kind} {b})"

    ir = re.sub(r" sret\([^()]*\)", "", ir)
    call = r"(?:tail |musttail |notail )?call"
    ir = re.sub(
        rf"{call} void @llvm\.(memcpy|memmove|memset)\.[\w.]+\((.*)\).*$", copy, ir, flags=re.M
    )
    ir = re.sub(
        rf"{call} \{{ i64, i1 \}} @llvm\.([us]mul)\.with\.overflow\.i64\((.*?)\)(?: #\d+)?",
        overflow,
        ir,
    )
    for operation, modifiers, kinds in (
        ("mul", "nuw|nsw", "i128"),
        ("sdiv|srem", "exact", "i64|i32|i16|i8"),
        ("udiv|urem", "exact", "i128"),
    ):
        ir = re.sub(
            rf"(?<== )({operation})(?: (?:{modifiers}))* ({kinds}) ({VALUE}), ({VALUE})",
            arithmetic,
            ir,
        )
    left = re.search(r"= (?:sdiv|srem) i128|with\.overflow\.i128", ir)
    if left:
        raise SystemExit(f"sbf-ld: {left[0]!r} has no lowering; avoid signed 128-bit division")
    return ir + definitions(used, ir)


# ---- definitions -------------------------------------------------------------------------------


def function(head: str, body: str) -> str:
    return f"define internal {head} alwaysinline {{\n{body.strip()}\n}}\n"


def declaration(kind: str, ir: str) -> str:
    name = f"sol_{kind}_"
    if re.search(rf"^declare .*@{name}\(", ir, flags=re.M):
        return ""
    return f"declare void @{name}(ptr, {'i64' if kind == 'memset' else 'ptr'}, i64)\n"


MEMSET = function(
    "void @__sbf_memset(ptr %p, i8 %byte, i64 %n)",
    """
 %word = zext i8 %byte to i64
 call void @sol_memset_(ptr %p, i64 %word, i64 %n)
 ret void""",
)

# a × b overflows when (a × b) / a ≠ b
UMULO = function(
    "{ i64, i1 } @__sbf_umulo(i64 %a, i64 %b)",
    """
 %product = mul i64 %a, %b
 %zero = icmp eq i64 %a, 0
 %divisor = select i1 %zero, i64 1, i64 %a
 %quotient = udiv i64 %product, %divisor
 %differs = icmp ne i64 %quotient, %b
 %nonzero = xor i1 %zero, true
 %overflow = and i1 %differs, %nonzero
 %r = insertvalue { i64, i1 } undef, i64 %product, 0
 %s = insertvalue { i64, i1 } %r, i1 %overflow, 1
 ret { i64, i1 } %s""",
)

# by magnitudes, whose product is at most 2^63 − 1, or 2^63 when the signs differ
SMULO = function(
    "{ i64, i1 } @__sbf_smulo(i64 %a, i64 %b)",
    """
 %sa = ashr i64 %a, 63
 %sb = ashr i64 %b, 63
 %xa = xor i64 %a, %sa
 %ua = sub i64 %xa, %sa
 %xb = xor i64 %b, %sb
 %ub = sub i64 %xb, %sb
 %p = call { i64, i1 } @__sbf_umulo(i64 %ua, i64 %ub)
 %magnitude = extractvalue { i64, i1 } %p, 0
 %wide = extractvalue { i64, i1 } %p, 1
 %sign = xor i64 %sa, %sb
 %negative = lshr i64 %sign, 63
 %limit = add i64 9223372036854775807, %negative
 %big = icmp ugt i64 %magnitude, %limit
 %overflow = or i1 %wide, %big
 %product = mul i64 %a, %b
 %r = insertvalue { i64, i1 } undef, i64 %product, 0
 %s = insertvalue { i64, i1 } %r, i1 %overflow, 1
 ret { i64, i1 } %s""",
)

# schoolbook in base 2^32 for the low halves' product, then the cross products' low words
MUL128 = function(
    "i128 @__sbf_mul128(i128 %a, i128 %b)",
    """
 %al = trunc i128 %a to i64
 %bl = trunc i128 %b to i64
 %as = lshr i128 %a, 64
 %bs = lshr i128 %b, 64
 %ah = trunc i128 %as to i64
 %bh = trunc i128 %bs to i64
 %a0 = and i64 %al, 4294967295
 %a1 = lshr i64 %al, 32
 %b0 = and i64 %bl, 4294967295
 %b1 = lshr i64 %bl, 32
 %p00 = mul i64 %a0, %b0
 %p01 = mul i64 %a0, %b1
 %p10 = mul i64 %a1, %b0
 %p11 = mul i64 %a1, %b1
 %c0 = lshr i64 %p00, 32
 %m0 = and i64 %p01, 4294967295
 %m1 = and i64 %p10, 4294967295
 %t0 = add i64 %c0, %m0
 %t1 = add i64 %t0, %m1
 %h0 = lshr i64 %t1, 32
 %h1 = lshr i64 %p01, 32
 %h2 = lshr i64 %p10, 32
 %u0 = add i64 %p11, %h0
 %u1 = add i64 %u0, %h1
 %u2 = add i64 %u1, %h2
 %x0 = mul i64 %al, %bh
 %x1 = mul i64 %ah, %bl
 %u3 = add i64 %u2, %x0
 %u4 = add i64 %u3, %x1
 %lo = mul i64 %al, %bl
 %zl = zext i64 %lo to i128
 %zh = zext i64 %u4 to i128
 %sh = shl i128 %zh, 64
 %r = or i128 %sh, %zl
 ret i128 %r""",
)


def signed_division(operation: str, bits: int) -> str:
    """By magnitudes; a quotient has the sign of both, a remainder that of the dividend."""
    kind = f"i{bits}"
    sign = f"xor {kind} %sa, %sb" if operation == "sdiv" else f"or {kind} %sa, 0"
    return function(
        f"{kind} @__sbf_{operation}{bits}({kind} %a, {kind} %b)",
        f"""
 %sa = ashr {kind} %a, {bits - 1}
 %sb = ashr {kind} %b, {bits - 1}
 %xa = xor {kind} %a, %sa
 %ua = sub {kind} %xa, %sa
 %xb = xor {kind} %b, %sb
 %ub = sub {kind} %xb, %sb
 %m = u{operation[1:]} {kind} %ua, %ub
 %sign = {sign}
 %x = xor {kind} %m, %sign
 %r = sub {kind} %x, %sign
 ret {kind} %r""",
    )


def wide_division(operation: str) -> str:
    """Of __sbf_udivmod128's results the quotient (at 0) or the remainder (at 16)."""
    offset = 0 if operation == "udiv" else 16
    return function(
        f"i128 @__sbf_{operation}128(i128 %a, i128 %b)",
        f"""
 %results = alloca [4 x i64], align 8
 %al = trunc i128 %a to i64
 %as = lshr i128 %a, 64
 %ah = trunc i128 %as to i64
 %bl = trunc i128 %b to i64
 %bs = lshr i128 %b, 64
 %bh = trunc i128 %bs to i64
 call void @__sbf_udivmod128(ptr %results, i64 %al, i64 %ah, i64 %bl, i64 %bh)
 %pl = getelementptr i8, ptr %results, i64 {offset}
 %ph = getelementptr i8, ptr %results, i64 {offset + 8}
 %l = load i64, ptr %pl, align 8
 %h = load i64, ptr %ph, align 8
 %zl = zext i64 %l to i128
 %zh = zext i64 %h to i128
 %sh = shl i128 %zh, 64
 %r = or i128 %sh, %zl
 ret i128 %r""",
    )


# bit by bit, unless both fit 64 bits
UDIVMOD128 = """
define internal void @__sbf_udivmod128(ptr %m, i64 %al, i64 %ah, i64 %bl, i64 %bh) noinline {
entry:
 %highs = or i64 %ah, %bh
 %small = icmp eq i64 %highs, 0
 br i1 %small, label %fast, label %loop
fast:
 %fq = udiv i64 %al, %bl
 %fr = urem i64 %al, %bl
 br label %done
loop:
 %i = phi i64 [ 128, %entry ], [ %i2, %loop ]
 %nl = phi i64 [ %al, %entry ], [ %nl3, %loop ]
 %nh = phi i64 [ %ah, %entry ], [ %nh3, %loop ]
 %rl = phi i64 [ 0, %entry ], [ %rl4, %loop ]
 %rh = phi i64 [ 0, %entry ], [ %rh4, %loop ]
 %top = lshr i64 %rh, 63
 %rh1 = shl i64 %rh, 1
 %rlt = lshr i64 %rl, 63
 %rh2 = or i64 %rh1, %rlt
 %rl1 = shl i64 %rl, 1
 %nht = lshr i64 %nh, 63
 %rl2 = or i64 %rl1, %nht
 %nh1 = shl i64 %nh, 1
 %nlt = lshr i64 %nl, 63
 %nh3 = or i64 %nh1, %nlt
 %nl1 = shl i64 %nl, 1
 %hgt = icmp ugt i64 %rh2, %bh
 %heq = icmp eq i64 %rh2, %bh
 %lge = icmp uge i64 %rl2, %bl
 %he = and i1 %heq, %lge
 %ge0 = or i1 %hgt, %he
 %topb = icmp ne i64 %top, 0
 %ge = or i1 %ge0, %topb
 %bor = icmp ult i64 %rl2, %bl
 %borz = zext i1 %bor to i64
 %rl3 = sub i64 %rl2, %bl
 %rhs = sub i64 %rh2, %bh
 %rh3 = sub i64 %rhs, %borz
 %rl4 = select i1 %ge, i64 %rl3, i64 %rl2
 %rh4 = select i1 %ge, i64 %rh3, i64 %rh2
 %gez = zext i1 %ge to i64
 %nl3 = or i64 %nl1, %gez
 %i2 = sub i64 %i, 1
 %more = icmp ne i64 %i2, 0
 br i1 %more, label %loop, label %done
done:
 %ql = phi i64 [ %fq, %fast ], [ %nl3, %loop ]
 %qh = phi i64 [ 0, %fast ], [ %nh3, %loop ]
 %ml = phi i64 [ %fr, %fast ], [ %rl4, %loop ]
 %mh = phi i64 [ 0, %fast ], [ %rh4, %loop ]
 %p1 = getelementptr i8, ptr %m, i64 8
 %p2 = getelementptr i8, ptr %m, i64 16
 %p3 = getelementptr i8, ptr %m, i64 24
 store i64 %ql, ptr %m, align 8
 store i64 %qh, ptr %p1, align 8
 store i64 %ml, ptr %p2, align 8
 store i64 %mh, ptr %p3, align 8
 ret void
}
"""


def definitions(used: set[str], ir: str) -> str:
    """IR of the functions that `lower` has called."""
    text = "\n"
    for kind in ("memcpy", "memmove", "memset"):
        if kind in used:
            text += declaration(kind, ir)
    if "memset" in used:
        text += MEMSET
    if used & {"umulo", "smulo"}:
        text += UMULO
    if "smulo" in used:
        text += SMULO
    if "mul128" in used:
        text += MUL128
    for name in sorted(used):
        if name.startswith(("sdiv", "srem")):
            text += signed_division(name[:4], int(name[4:]))
        if name in ("udiv128", "urem128"):
            text += wide_division(name[:4])
    if used & {"udiv128", "urem128"}:
        text += UDIVMOD128
    return text
