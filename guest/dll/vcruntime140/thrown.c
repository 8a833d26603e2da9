/* The exceptions that the library throws itself, `std::bad_cast` and `std::bad_typeid`, with the tables that a compiler makes
 * for a class, and those of `std::exception`. */
#include "cxx.h"

typedef struct { const char *What; BOOLEAN Free; } EXCEPTION_DATA;
typedef struct {
    const void *Vftable;
    EXCEPTION_DATA Data;
} STD_EXCEPTION;
void __std_exception_copy(const EXCEPTION_DATA *, EXCEPTION_DATA *);
void __std_exception_destroy(EXCEPTION_DATA *);
void NTAPI _CxxThrowException(PVOID, const THROW_INFO *) __attribute__((noreturn));
#ifdef __x86_64__
#define MEMBER __attribute__((used))
#define REFER ".rva"
#define POINT ".quad"
#else
#define MEMBER __attribute__((used, thiscall))
#define REFER ".long"
#define POINT ".long"
#endif
#define NUMBER_(n) #n
#define NUMBER(n) NUMBER_(n)

/* The members; the classes differ in their tables only. */
MEMBER const char *CxxWhat(const STD_EXCEPTION *) __asm__("CxxWhat");
MEMBER const char *CxxWhat(const STD_EXCEPTION *this) { return this->Data.What ? this->Data.What : "Unknown exception"; }
MEMBER void CxxDestroyException(STD_EXCEPTION *) __asm__("CxxDestroyException");
MEMBER void CxxDestroyException(STD_EXCEPTION *this) { __std_exception_destroy(&this->Data); }
MEMBER PVOID CxxDeleteException(STD_EXCEPTION *, ULONG) __asm__("CxxDeleteException");
MEMBER PVOID CxxDeleteException(STD_EXCEPTION *this, ULONG flags) {
    CxxDestroyException(this);
    if (flags & 1) free(this);
    return this;
}

/* In this order: type descriptor, base class descriptor, class hierarchy, complete object locator, virtual functions,
 * catchable type, throw information. */
__asm__(".macro cxx_class name, text, count, base, catchable\n.balign 8\n"
        "CxxType_\\name: " POINT " 0, 0\n.asciz \"\\text\"\n.balign 8\n"
        "CxxBase_\\name: " REFER " CxxType_\\name\n.long \\count - 1, 0, -1, 0, 0x40\n" REFER " CxxHierarchy_\\name\n"
        "CxxBases_\\name: " REFER " CxxBase_\\name\n.ifnb \\base\n" REFER " \\base\n.endif\n.long 0\n"
        "CxxHierarchy_\\name: .long 0, 0, \\count\n" REFER " CxxBases_\\name\n"
        "CxxLocator_\\name: .long " NUMBER(WIDTH(1, 0)) ", 0, 0\n" REFER " CxxType_\\name\n" REFER " CxxHierarchy_\\name\n"
        REFER " CxxLocator_\\name\n" POINT " CxxLocator_\\name\n"
        "CxxTable_\\name: " POINT " CxxDeleteException, CxxWhat\n"
        "CxxCatchable_\\name: .long 0\n" REFER " CxxType_\\name\n.long 0, -1, 0, " NUMBER(WIDTH(24, 12)) "\n" REFER " CxxCopy_\\name\n"
        "CxxTypes_\\name: .long \\count\n" REFER " CxxCatchable_\\name\n.ifnb \\catchable\n" REFER " \\catchable\n.endif\n"
        "CxxThrow_\\name: .long 0\n" REFER " CxxDestroyException\n.long 0\n" REFER " CxxTypes_\\name\n.endm\n"
        ".data\n"
        "cxx_class exception, .?AVexception@std@@, 1\n"
        "cxx_class bad_cast, .?AVbad_cast@std@@, 2, CxxBase_exception, CxxCatchable_exception\n"
        "cxx_class bad_typeid, .?AVbad_typeid@std@@, 2, CxxBase_exception, CxxCatchable_exception\n"
        ".purgem cxx_class\n.text\n");

#define CLASS(name) \
    extern const PVOID CxxTable_##name[] __asm__("CxxTable_" #name); \
    extern const THROW_INFO CxxThrow_##name __asm__("CxxThrow_" #name); \
    MEMBER STD_EXCEPTION *CxxCopy_##name(STD_EXCEPTION *, const STD_EXCEPTION *) __asm__("CxxCopy_" #name); \
    MEMBER STD_EXCEPTION *CxxCopy_##name(STD_EXCEPTION *this, const STD_EXCEPTION *from) { \
        this->Vftable = CxxTable_##name; \
        __std_exception_copy(&from->Data, &this->Data); \
        return this; \
    }
CLASS(exception)
CLASS(bad_cast)
CLASS(bad_typeid)

void __attribute__((noreturn)) CxxThrowBadCast(const char *what) {
    STD_EXCEPTION thrown = {CxxTable_bad_cast, {what, FALSE}};
    _CxxThrowException(&thrown, &CxxThrow_bad_cast);
}
void __attribute__((noreturn)) CxxThrowBadTypeid(const char *what) {
    STD_EXCEPTION thrown = {CxxTable_bad_typeid, {what, FALSE}};
    _CxxThrowException(&thrown, &CxxThrow_bad_typeid);
}
