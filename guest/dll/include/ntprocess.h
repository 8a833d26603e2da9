/* NT's structures and functions for making processes. */
#pragma once
#include "nt.h"

#define RTL_USER_PROC_PARAMS_NORMALIZED 1
#define PROCESS_CREATE_FLAGS_BREAKAWAY 1
#define PROCESS_CREATE_FLAGS_INHERIT_HANDLES 4
#define THREAD_CREATE_FLAGS_CREATE_SUSPENDED 1

enum {
    PS_ATTRIBUTE_PARENT_PROCESS = 0x60000, PS_ATTRIBUTE_TOKEN = 0x60002, PS_ATTRIBUTE_CLIENT_ID = 0x10003,
    PS_ATTRIBUTE_IMAGE_NAME = 0x20005, PS_ATTRIBUTE_IMAGE_INFO = 6, PS_ATTRIBUTE_PRIORITY_CLASS = 0x20008,
    PS_ATTRIBUTE_ERROR_MODE = 0x20009, PS_ATTRIBUTE_STD_HANDLE_INFO = 0x2000a, PS_ATTRIBUTE_HANDLE_LIST = 0x2000b,
    PS_ATTRIBUTE_MITIGATION_OPTIONS = 0x20010, PS_ATTRIBUTE_JOB_LIST = 0x20013,
};
typedef struct {
    ULONG_PTR Attribute;
    SIZE_T Size;
    ULONG_PTR Value;
    SIZE_T *ReturnLength;
} PS_ATTRIBUTE;
#define PS_ATTRIBUTES 12
typedef struct {
    SIZE_T TotalLength;
    PS_ATTRIBUTE Attributes[PS_ATTRIBUTES];
} PS_ATTRIBUTE_LIST;

/* `PS_CREATE_INFO`; of what it tells of success only what is used. */
typedef struct {
    SIZE_T Size;
    ULONG State;
    union {
        struct { ULONG Flags; ACCESS_MASK AdditionalFileAccess; } Init;
        struct { ULONG Flags; HANDLE File, Section; } Success;
        HANDLE File;
        UCHAR Unnamed[72];
    };
} PS_CREATE_INFO;
#define PS_CREATE_INFO_SIZE WIDTH(0x58, 0x48)
enum { PsCreateInitialState, PsCreateFailOnFileOpen, PsCreateFailOnSectionCreate, PsCreateFailExeFormat, PsCreateSuccess = 6 };
AT(PS_CREATE_INFO, Success.File, 0x18, 0x0c);

typedef struct { ULONG Flags, StdHandleSubsystemType; } PS_STD_HANDLE_INFO;
#define PsRequestDuplicate 1

typedef struct {
    PVOID TransferAddress;
    ULONG ZeroBits;
    SIZE_T MaximumStackSize, CommittedStackSize;
    ULONG SubSystemType;
    USHORT SubSystemMinorVersion, SubSystemMajorVersion;
    ULONG GpValue;
    USHORT ImageCharacteristics, DllCharacteristics, Machine;
    UCHAR ImageContainsCode, ImageFlags;
    ULONG LoaderFlags, ImageFileSize, CheckSum;
} SECTION_IMAGE_INFORMATION;
_Static_assert(sizeof(SECTION_IMAGE_INFORMATION) == WIDTH(0x40, 0x30), "SECTION_IMAGE_INFORMATION");

typedef struct {
    ULONG Length;
    HANDLE Process, Thread;
    CLIENT_ID ClientId;
    SECTION_IMAGE_INFORMATION ImageInformation;
} RTL_USER_PROCESS_INFORMATION;

/* From Vista on: looked for by name. */
typedef NTSTATUS NTAPI NT_CREATE_USER_PROCESS(HANDLE *, HANDLE *, ACCESS_MASK, ACCESS_MASK, OBJECT_ATTRIBUTES *, OBJECT_ATTRIBUTES *,
                                              ULONG, ULONG, PVOID, PS_CREATE_INFO *, PS_ATTRIBUTE_LIST *);

NTSYSAPI NTSTATUS NTAPI RtlCreateProcessParametersEx(RTL_USER_PROCESS_PARAMETERS **, const UNICODE_STRING *, const UNICODE_STRING *,
                                                     const UNICODE_STRING *, const UNICODE_STRING *, PVOID, const UNICODE_STRING *,
                                                     const UNICODE_STRING *, const UNICODE_STRING *, const UNICODE_STRING *, ULONG);
NTSYSAPI NTSTATUS NTAPI RtlDestroyProcessParameters(RTL_USER_PROCESS_PARAMETERS *);

/* Adds to a list. */
static inline void PspAddAttribute(PS_ATTRIBUTE_LIST *list, ULONG_PTR attribute, SIZE_T size, const void *value) {
    SIZE_T count = (list->TotalLength - sizeof(SIZE_T)) / sizeof(PS_ATTRIBUTE);
    if (count >= PS_ATTRIBUTES) return;
    list->Attributes[count] = (PS_ATTRIBUTE){attribute, size, (ULONG_PTR)value, NULL};
    list->TotalLength += sizeof(PS_ATTRIBUTE);
}
