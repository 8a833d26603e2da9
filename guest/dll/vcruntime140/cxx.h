/* Exceptions of Microsoft's C++: what a compiler leaves in a program's tables, and what the files of vcruntime140.dll and
 * vcruntime140_1.dll share.
 *
 * The tables' layouts are what every compiler for this ABI writes (Clang's `WinException.cpp` and `MicrosoftCXXABI.cpp` say
 * which fields there are). A reference in them is relative to the image in 64-bit code and an address in 32-bit code; there
 * the base is 0.
 */
#pragma once
#include "../include/exception.h"

#define EH_EXCEPTION_NUMBER ((NTSTATUS)0xe06d7363)
#define EH_PARAMETERS WIDTH(4, 3)
/* The versions of the tables: before, with and behind the one that added exception specifications. */
#define EH_MAGIC_NUMBER1 0x19930520u
#define EH_MAGIC_NUMBER3 0x19930522u
#define EH_PURE_MAGIC_NUMBER1 0x01994000u

typedef LONG REFERENCE;
static inline PVOID CxxAt(ULONG_PTR base, REFERENCE to) { return to ? (PVOID)(base + (ULONG)to) : NULL; }

/* `TypeDescriptor`, which is a `std::type_info`. */
typedef struct {
    const void *Vftable;
    char *Undecorated;
    char Decorated[];
} TYPE_DESCRIPTOR;

/* `PMD`: the way from an object to a base of it. */
typedef struct { LONG Member, VirtualTable, VirtualOffset; } PMD;

#define CT_SIMPLE_TYPE 1
#define CT_BY_REFERENCE_ONLY 2
#define CT_HAS_VIRTUAL_BASE 4
#define CT_BAD_ALLOC 16
typedef struct {
    ULONG Properties;
    REFERENCE Type;
    PMD This;
    LONG Size;
    REFERENCE Copy;
} CATCHABLE_TYPE;
typedef struct { LONG Count; REFERENCE Type[]; } CATCHABLE_TYPES;

#define TI_CONST 1
#define TI_VOLATILE 2
#define TI_UNALIGNED 4
#define TI_PURE 8
typedef struct {
    ULONG Attributes;
    REFERENCE Destroy, ForwardCompatible, Types;
} THROW_INFO;

/* A catch block, out of either format. */
#define HT_CONST 1
#define HT_VOLATILE 2
#define HT_UNALIGNED 4
#define HT_REFERENCE 8
#define HT_STANDARD_DOTS 0x40
#define HT_BAD_ALLOC 0x80
typedef struct {
    ULONG Adjectives;
    const TYPE_DESCRIPTOR *Type;
    LONG Object;
    PVOID Code;
    ULONG Continuations;
    ULONG_PTR Continuation[2];
} CXX_HANDLER;
typedef struct {
    LONG Low, High, CatchHigh;
    ULONG Count;
    const UCHAR *Handlers;
} CXX_TRY;
/* What is to be done when a state is left. */
typedef struct {
    LONG To;
    enum { CxxNothing, CxxFunclet, CxxDestroy, CxxDestroyPointed } Kind;
    PVOID Code;
    ULONG Object;
} CXX_ACTION;

/* A function, or a catch block's own one, in whose frame an exception is. `Frame` tells it from others; `Root` is what its
 * tables' offsets count from, the frame of the function that the catch block stands in. Its states are Low to High; Outside
 * is less than all. */
typedef struct {
    ULONG_PTR Base, Begin, Frame, Root;
    const void *Info;
    BOOLEAN Synchronous, NoExcept;
    LONG Low, High, Outside;
    ULONG Tries;
} CXX_FUNCTION;

/* `FRAMEINFO`: an exception that a catch block is at work on; a thread has a list of them. */
typedef struct FRAME_INFO {
    PVOID Object;
    struct FRAME_INFO *Next;
} FRAME_INFO;
typedef struct {
    FRAME_INFO Info;
    /* Points to itself: whoever makes another kind of `FRAMEINFO` has nothing here. */
    const void *Self;
    EXCEPTION_RECORD *Record, *PriorRecord;
    CONTEXT *PriorContext;
    /* The frame that waits for the catch block to end, and the state that it is in meanwhile. */
    ULONG_PTR Frame;
    LONG State;
    BOOLEAN Rethrown;
} CXX_CATCH;

/* ucrtbase.dll */
__declspec(dllimport) void terminate(void) __attribute__((noreturn));
__declspec(dllimport) void abort(void) __attribute__((noreturn));
__declspec(dllimport) void *malloc(size_t);
__declspec(dllimport) void free(void *);
__declspec(dllimport) void *memcpy(void *, const void *, size_t);
__declspec(dllimport) int strcmp(const char *, const char *);
__declspec(dllimport) size_t strlen(const char *);
__declspec(dllimport) int fputs(const char *, void *);
__declspec(dllimport) void *__acrt_iob_func(unsigned);

/* Of vcruntime140.dll; vcruntime140_1.dll imports them. */
#ifdef FH4
#define SHARED __declspec(dllimport)
#else
#define SHARED
#endif
typedef void (*SE_TRANSLATOR)(unsigned, EXCEPTION_POINTERS *);
SHARED PVOID *__current_exception(void);
SHARED PVOID *__current_exception_context(void);
SHARED int *__processing_throw(void);
SHARED FRAME_INFO *_CreateFrameInfo(FRAME_INFO *, PVOID object);
SHARED void _FindAndUnlinkFrame(FRAME_INFO *);
SHARED int _IsExceptionObjectToBeDestroyed(PVOID object);
SHARED void __DestructExceptionObject(EXCEPTION_RECORD *, BOOLEAN);
SHARED SE_TRANSLATOR _set_se_translator(SE_TRANSLATOR);

/* object.c */
BOOLEAN CxxIsThrown(const EXCEPTION_RECORD *);
BOOLEAN CxxIsRethrow(const EXCEPTION_RECORD *);
PVOID CxxObject(const EXCEPTION_RECORD *);
const THROW_INFO *CxxThrowInfo(const EXCEPTION_RECORD *);
ULONG_PTR CxxThrowBase(const EXCEPTION_RECORD *);
const CATCHABLE_TYPE *CxxCatchable(const EXCEPTION_RECORD *, const CXX_HANDLER *);
void CxxBuildObject(const EXCEPTION_RECORD *, const CATCHABLE_TYPE *, const CXX_HANDLER *, PVOID *to);
void *CxxAdjust(void *, const PMD *);

/* tables.c, or tables4.c: TRUE and the next one */
BOOLEAN CxxTry(const CXX_FUNCTION *, ULONG number, CXX_TRY *);
void CxxHandler(const CXX_FUNCTION *, const CXX_TRY *, ULONG number, CXX_HANDLER *);
void CxxAction(const CXX_FUNCTION *, LONG state, CXX_ACTION *);
#ifdef __x86_64__
void CxxDescribe(CXX_FUNCTION *, const DISPATCHER_CONTEXT *, ULONG_PTR frame);
LONG CxxStateAt(const CXX_FUNCTION *, ULONG_PTR pc);
const RUNTIME_FUNCTION *CxxPrimary(const DISPATCHER_CONTEXT *);
#else
BOOLEAN CxxDescribe(CXX_FUNCTION *, const void *info, ULONG_PTR root);
#endif

/* catch.c */
typedef struct {
    CXX_TRY Try;
    CXX_HANDLER Handler;
    EXCEPTION_RECORD *Record;
} CXX_FOUND;
BOOLEAN CxxFind(const CXX_FUNCTION *, LONG state, EXCEPTION_RECORD *, CONTEXT *, CXX_FOUND *);
void CxxBeginCatch(CXX_CATCH *, EXCEPTION_RECORD *, CONTEXT *);
void CxxEndCatch(CXX_CATCH *, BOOLEAN keep);
void CxxNoteRethrow(CXX_CATCH *, const EXCEPTION_RECORD *);
BOOLEAN CxxSkips(const CXX_FUNCTION *, const EXCEPTION_RECORD *);

/* guard64.c, guard32.c: an exception that comes out of these ends the program */
void CxxCallMember(PVOID code, PVOID object);
void CxxCallCopy(PVOID code, PVOID to, PVOID from, BOOLEAN most_derived, BOOLEAN has_bases);
void CxxCallCleanup(PVOID code, ULONG_PTR root);
