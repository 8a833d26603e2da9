/* One frame of a 64-bit stack undone, by what the function's prologue is said to have done.
 *
 * Source: "x64 exception handling" (Microsoft Learn) for the codes of version 1; version 2 adds the places of epilogues.
 */
#include "ntdll.h"
#ifdef __x86_64__

#define UNW_FLAG_EHANDLER 1
#define UNW_FLAG_UHANDLER 2
#define UNW_FLAG_CHAININFO 4
enum {
    UWOP_PUSH_NONVOL, UWOP_ALLOC_LARGE, UWOP_ALLOC_SMALL, UWOP_SET_FPREG, UWOP_SAVE_NONVOL, UWOP_SAVE_NONVOL_FAR,
    UWOP_EPILOG, UWOP_SPARE_CODE, UWOP_SAVE_XMM128, UWOP_SAVE_XMM128_FAR, UWOP_PUSH_MACHFRAME,
};
enum { RSP = 4 };

typedef struct { UCHAR CodeOffset, UnwindOp : 4, OpInfo : 4; } UNWIND_CODE;
typedef struct {
    UCHAR Version : 3, Flags : 5, SizeOfProlog, CountOfCodes, FrameRegister : 4, FrameOffset : 4;
    UNWIND_CODE Codes[];
} UNWIND_INFO;
/* `KNONVOLATILE_CONTEXT_POINTERS` */
typedef struct {
    M128A *Xmm[16];
    ULONGLONG *Register[16];
} RTLP_POINTERS;
typedef struct {
    CONTEXT *Context;
    RTLP_POINTERS *Pointers;
    ULONG_PTR Frame;
    BOOLEAN MachineFrame;
} RTLP_UNWIND;

static ULONGLONG *RtlpRegister(CONTEXT *context, ULONG number) { return &context->Rax + number; }

static void RtlpLoad(RTLP_UNWIND *unwind, ULONG number, ULONG_PTR from) {
    *RtlpRegister(unwind->Context, number) = *(ULONGLONG *)from;
    if (unwind->Pointers) unwind->Pointers->Register[number] = (ULONGLONG *)from;
}

static void RtlpLoadXmm(RTLP_UNWIND *unwind, ULONG number, ULONG_PTR from) {
    unwind->Context->Xmm[number] = *(M128A *)from;
    if (unwind->Pointers) unwind->Pointers->Xmm[number] = (M128A *)from;
}

static void RtlpPop(RTLP_UNWIND *unwind, ULONG number) {
    ULONG_PTR at = unwind->Context->Rsp;
    RtlpLoad(unwind, number, at);
    unwind->Context->Rsp = at + 8;
}

static void RtlpReturn(CONTEXT *context) {
    context->Rip = *(ULONGLONG *)context->Rsp;
    context->Rsp += 8;
}

/* Slots that a code takes. */
static ULONG RtlpSlots(UNWIND_CODE code) {
    switch (code.UnwindOp) {
    case UWOP_ALLOC_LARGE: return code.OpInfo ? 3 : 2;
    case UWOP_SAVE_NONVOL: case UWOP_SAVE_XMM128: case UWOP_EPILOG: return 2;
    case UWOP_SAVE_NONVOL_FAR: case UWOP_SAVE_XMM128_FAR: case UWOP_SPARE_CODE: return 3;
    default: return 1;
    }
}

/* The number behind a code: one slot, or two. */
static ULONG RtlpSlot(const UNWIND_CODE *code) { return *(const USHORT *)(code + 1); }
static ULONG RtlpSlotFar(const UNWIND_CODE *code) { return RtlpSlot(code) | RtlpSlot(code + 1) << 16; }

static void RtlpUndo(RTLP_UNWIND *unwind, const UNWIND_INFO *info, const UNWIND_CODE *code) {
    CONTEXT *context = unwind->Context;
    switch (code->UnwindOp) {
    case UWOP_PUSH_NONVOL: RtlpPop(unwind, code->OpInfo); break;
    case UWOP_ALLOC_LARGE: context->Rsp += code->OpInfo ? RtlpSlotFar(code) : RtlpSlot(code) * 8; break;
    case UWOP_ALLOC_SMALL: context->Rsp += code->OpInfo * 8 + 8; break;
    case UWOP_SET_FPREG: context->Rsp = *RtlpRegister(context, info->FrameRegister) - info->FrameOffset * 16; break;
    case UWOP_SAVE_NONVOL: RtlpLoad(unwind, code->OpInfo, unwind->Frame + RtlpSlot(code) * 8); break;
    case UWOP_SAVE_NONVOL_FAR: RtlpLoad(unwind, code->OpInfo, unwind->Frame + RtlpSlotFar(code)); break;
    case UWOP_SAVE_XMM128: RtlpLoadXmm(unwind, code->OpInfo, unwind->Frame + RtlpSlot(code) * 16); break;
    case UWOP_SAVE_XMM128_FAR: RtlpLoadXmm(unwind, code->OpInfo, unwind->Frame + RtlpSlotFar(code)); break;
    case UWOP_PUSH_MACHFRAME: {
        /* RIP, CS, RFLAGS, RSP, SS; an error code below. */
        const ULONGLONG *frame = (const ULONGLONG *)context->Rsp + code->OpInfo;
        context->Rip = frame[0];
        context->Rsp = frame[3];
        unwind->MachineFrame = TRUE;
        break;
    }
    }
}

/* One instruction of an epilogue before its end, done to the context if there is one; its length, or 0. */
static ULONG RtlpEpilogueStep(const UCHAR *pc, const UNWIND_INFO *info, RTLP_UNWIND *unwind, BOOLEAN first) {
    CONTEXT *context = unwind->Context;
    ULONG number = pc[0] & 7, length = 1;
    if (pc[0] >= 0x40 && pc[0] <= 0x4f && pc[1] >= 0x58 && pc[1] <= 0x5f) {
        number = (pc[1] & 7) | (pc[0] & 1) << 3;
        length = 2;
    } else if (pc[0] < 0x58 || pc[0] > 0x5f) {
        length = 0;
    }
    if (length) {
        if (context) RtlpPop(unwind, number);
        return length;
    }
    if (!first) return 0;
    /* add rsp,imm8; add rsp,imm32 */
    if (pc[0] == 0x48 && pc[1] == 0x83 && pc[2] == 0xc4) {
        if (context) context->Rsp += (LONGLONG)(signed char)pc[3];
        return 4;
    }
    if (pc[0] == 0x48 && pc[1] == 0x81 && pc[2] == 0xc4) {
        if (context) context->Rsp += *(const LONG *)(pc + 3);
        return 7;
    }
    /* lea rsp,[frame register + displacement] */
    if ((pc[0] & 0xfe) != 0x48 || pc[1] != 0x8d || !info->FrameRegister) return 0;
    ULONG reg = (pc[2] & 7) | (pc[0] & 1) << 3;
    if ((pc[2] & 0x38) != 0x20 || reg != info->FrameRegister) return 0;
    /* r12 as a base has a further byte. */
    ULONG sib = (pc[2] & 7) == RSP;
    if (pc[2] >> 6 == 1) {
        if (context) context->Rsp = *RtlpRegister(context, reg) + (LONGLONG)(signed char)pc[3 + sib];
        return 4 + sib;
    }
    if (pc[2] >> 6 == 2) {
        if (context) context->Rsp = *RtlpRegister(context, reg) + *(const LONG *)(pc + 3 + sib);
        return 7 + sib;
    }
    return 0;
}

/* Whether what is left is a return, or a jump out of the function. */
static BOOLEAN RtlpIsExit(const UCHAR *pc, ULONG_PTR base, const RUNTIME_FUNCTION *function) {
    if (pc[0] == 0xc3 || pc[0] == 0xc2 || (pc[0] == 0xf3 && pc[1] == 0xc3)) return TRUE;
    LONGLONG displacement = 0;
    if (pc[0] == 0xeb) displacement = 2 + (LONGLONG)(signed char)pc[1];
    else if (pc[0] == 0xe9) displacement = 5 + (LONGLONG) * (const LONG *)(pc + 1);
    /* jmp through memory or a register: with REX.W, or by an import's slot */
    else return (pc[0] == 0xff && pc[1] == 0x25) || ((pc[0] & 0xf8) == 0x48 && pc[1] == 0xff && (pc[2] & 0x38) == 0x20);
    ULONG_PTR rva = (ULONG_PTR)pc + displacement - base;
    return rva <= function->BeginAddress || rva >= function->EndAddress;
}

static BOOLEAN RtlpIsEpilogue(const UCHAR *pc, ULONG_PTR base, const RUNTIME_FUNCTION *function, const UNWIND_INFO *info) {
    RTLP_UNWIND nothing = {.Context = NULL};
    ULONG length = RtlpEpilogueStep(pc, info, &nothing, TRUE);
    while (length) {
        pc += length;
        length = RtlpEpilogueStep(pc, info, &nothing, FALSE);
    }
    return RtlpIsExit(pc, base, function);
}

/* Version 2 says where the epilogues are. The first code has their length, and whether one ends the function; every
 * further slot has how far before the function's end another one begins. */
static BOOLEAN RtlpIsListedEpilogue(ULONG rva, const RUNTIME_FUNCTION *function, const UNWIND_INFO *info) {
    ULONG length = info->Codes[0].CodeOffset, at = function->EndAddress - rva;
    for (ULONG i = 0; i < info->CountOfCodes; i++) {
        UNWIND_CODE code = info->Codes[i];
        /* The second slot of a pair belongs to it, whatever its operation. */
        if (code.UnwindOp != UWOP_EPILOG && !(i & 1)) break;
        ULONG start = i ? code.CodeOffset | (ULONG)code.OpInfo << 8 : code.OpInfo & 1 ? length : 0;
        if (start && at <= start && start - at < length) return TRUE;
    }
    return FALSE;
}

static BOOLEAN RtlpUnwindEpilogue(RTLP_UNWIND *unwind, const UCHAR *pc, ULONG_PTR base, const RUNTIME_FUNCTION *function,
                                  const UNWIND_INFO *info) {
    if (info->Version >= 2 && info->CountOfCodes && info->Codes[0].UnwindOp == UWOP_EPILOG) {
        if (!RtlpIsListedEpilogue((ULONG)((ULONG_PTR)pc - base), function, info)) return FALSE;
    }
    if (!RtlpIsEpilogue(pc, base, function, info)) return FALSE;
    ULONG length = RtlpEpilogueStep(pc, info, unwind, TRUE);
    while (length) {
        pc += length;
        length = RtlpEpilogueStep(pc, info, unwind, FALSE);
    }
    RtlpReturn(unwind->Context);
    return TRUE;
}

/* The frame that handlers are told of: what RSP was behind the prologue. */
static ULONG_PTR RtlpFrame(CONTEXT *context, const UNWIND_INFO *info, ULONG offset) {
    BOOLEAN set = offset >= info->SizeOfProlog || info->Flags & UNW_FLAG_CHAININFO;
    if (!info->FrameRegister) return context->Rsp;
    for (ULONG i = 0; !set && i < info->CountOfCodes; i += RtlpSlots(info->Codes[i]))
        set = info->Codes[i].UnwindOp == UWOP_SET_FPREG && offset >= info->Codes[i].CodeOffset;
    return set ? *RtlpRegister(context, info->FrameRegister) - info->FrameOffset * 16 : context->Rsp;
}

/* `RtlVirtualUnwind`: the context becomes the caller's. The handler that the function has of this type, if control was in
 * its body. */
PEXCEPTION_ROUTINE RtlVirtualUnwind(ULONG type, ULONG_PTR base, ULONG_PTR pc, RUNTIME_FUNCTION *function,
                                    CONTEXT *context, PVOID *data, ULONG_PTR *frame, PVOID pointers) {
    const UNWIND_INFO *info = (const UNWIND_INFO *)(base + function->UnwindData);
    ULONG offset = (ULONG)(pc - base - function->BeginAddress);
    RTLP_UNWIND unwind = {.Context = context, .Pointers = pointers};
    *frame = unwind.Frame = RtlpFrame(context, info, offset);
    if (offset >= info->SizeOfProlog && RtlpUnwindEpilogue(&unwind, (const UCHAR *)pc, base, function, info)) return NULL;
    BOOLEAN in_prologue = offset < info->SizeOfProlog;
    for (;;) {
        ULONG slots;
        for (ULONG i = 0; i < info->CountOfCodes; i += slots) {
            const UNWIND_CODE *code = &info->Codes[i];
            slots = RtlpSlots(*code);
            if (offset >= code->CodeOffset || offset >= info->SizeOfProlog) RtlpUndo(&unwind, info, code);
        }
        if (!(info->Flags & UNW_FLAG_CHAININFO)) break;
        function = (RUNTIME_FUNCTION *)&info->Codes[(info->CountOfCodes + 1) & ~1u];
        info = (const UNWIND_INFO *)(base + function->UnwindData);
        offset = ~0u;
    }
    if (!unwind.MachineFrame) RtlpReturn(context);
    if (in_prologue || !(info->Flags & type & (UNW_FLAG_EHANDLER | UNW_FLAG_UHANDLER))) return NULL;
    const ULONG *handler = (const ULONG *)&info->Codes[(info->CountOfCodes + 1) & ~1u];
    *data = (PVOID)(handler + 1);
    return (PEXCEPTION_ROUTINE)(base + *handler);
}

/* Undoes a frame, whatever it is; a function without an entry has only its return address on the stack. */
void RtlpUnwindFrame(CONTEXT *context) {
    ULONG_PTR base, frame;
    PVOID data;
    RUNTIME_FUNCTION *function = RtlLookupFunctionEntry(context->Rip, &base, NULL);
    if (function) RtlVirtualUnwind(0, base, context->Rip, function, context, &data, &frame, NULL);
    else RtlpReturn(context);
}
#endif
