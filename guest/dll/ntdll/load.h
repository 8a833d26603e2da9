/* What the files that load modules share. */
#pragma once
#include "ntdll.h"
#include "ntfile.h"

/* `LDR_DATA_TABLE_ENTRY.Flags`. */
#define LDRP_IMAGE_DLL 0x4
#define LDRP_ENTRY_PROCESSED 0x4000
#define LDRP_DONT_CALL_FOR_THREADS 0x40000
#define LDRP_PROCESS_ATTACH_CALLED 0x80000
#define LDRP_IMAGE_NOT_AT_BASE 0x200000
/* `LOAD_LIBRARY_*`, as LoadLibraryEx and LdrLoadDll have them. */
#define DONT_RESOLVE_DLL_REFERENCES 0x1
#define LOAD_WITH_ALTERED_SEARCH_PATH 0x8
#define LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR 0x100
#define LOAD_LIBRARY_SEARCH_APPLICATION_DIR 0x200
#define LOAD_LIBRARY_SEARCH_USER_DIRS 0x400
#define LOAD_LIBRARY_SEARCH_SYSTEM32 0x800
#define LOAD_LIBRARY_SEARCH_DEFAULT_DIRS 0x1000
#define LDRP_SEARCHES 0x1f00
/* The deepest that imports lead, and the longest way of a forwarder. */
#define LDRP_DEEPEST 64
#define LDRP_MAX_FORWARDS 16
/* The longest path, in characters. */
#define LDRP_LONGEST_PATH 0x3ff

enum { DLL_PROCESS_DETACH, DLL_PROCESS_ATTACH, DLL_THREAD_ATTACH, DLL_THREAD_DETACH };
enum { IMAGE_DIRECTORY_ENTRY_EXPORT, IMAGE_DIRECTORY_ENTRY_IMPORT, IMAGE_DIRECTORY_ENTRY_RESOURCE,
       IMAGE_DIRECTORY_ENTRY_BASERELOC = 5, IMAGE_DIRECTORY_ENTRY_TLS = 9, IMAGE_DIRECTORY_ENTRY_COM_DESCRIPTOR = 14 };

typedef void(NTAPI *PIMAGE_TLS_CALLBACK)(PVOID base, ULONG reason, PVOID reserved);
typedef BOOLEAN(NTAPI *PDLL_INIT_ROUTINE)(PVOID base, ULONG reason, PVOID context);
typedef struct {
    ULONG_PTR StartAddressOfRawData, EndAddressOfRawData, AddressOfIndex;
    PIMAGE_TLS_CALLBACK *AddressOfCallBacks;
    ULONG SizeOfZeroFill;
} IMAGE_TLS_DIRECTORY;

/* A module that was loaded after the process began; those before it stay, and have none. */
typedef struct LDRP_MODULE LDRP_MODULE;
struct LDRP_MODULE {
    LIST_ENTRY Links;
    LDR_DATA_TABLE_ENTRY *Entry;
    /* How often somebody asked for it; below 0: it stays. */
    LONG Count;
    /* Somebody needs it; its entry point is being called; it was called and has agreed; the same was tried. */
    BOOLEAN Reached, Busy, Initialized, Tried;
    /* It has a place among the static TLS blocks. */
    BOOLEAN HasTls;
    /* The modules that it imports from. */
    LDRP_MODULE **Needs;
    ULONG NeedCount, NeedRoom;
};
extern LIST_ENTRY LdrpModules;

/* path.c */
EXPORT size_t wcslen(const WCHAR *);
/* image.c */
PVOID LdrpImageRange(PVOID base, ULONG rva, SIZE_T length);
const char *LdrpImageText(PVOID base, ULONG rva);
ULONG LdrpImageSize(PVOID base);
ULONG LdrpImageCharacteristics(PVOID base);
NTSTATUS LdrpRelocateImage(PVOID base);
NTSTATUS LdrpCheckImage(PVOID base);
/* ldr.c */
LDR_DATA_TABLE_ENTRY *LdrpFindName(const WCHAR *name, ULONG length, BOOLEAN is_path);
BOOLEAN LdrpModuleName(const void *name, ULONG length, ULONG width, WCHAR *wide, ULONG *count, BOOLEAN *is_path);
/* loadsearch.c */
NTSTATUS LdrpOpenModule(const WCHAR *name, ULONG length, BOOLEAN is_path, ULONG flags, const WCHAR *list, WCHAR *path, HANDLE *file);
UNICODE_STRING LdrpSystemFolder(void);
/* load.c */
LDRP_MODULE *LdrpFindLoaded(PVOID base);
NTSTATUS LdrpLoadNeeded(LDRP_MODULE *module, const char *name, ULONG length, ULONG flags, ULONG depth, PVOID *base);
NTSTATUS LdrpFollowForwarder(PVOID image, const char *text, ULONG depth, PVOID *address);
void LdrpNeed(LDRP_MODULE *module, LDRP_MODULE *needed);
/* loadinit.c */
NTSTATUS LdrpInitializeModule(LDRP_MODULE *module);
NTSTATUS LdrpInitializePinned(void);
void LdrpCollect(void);
/* loadnotify.c */
void LdrpNotify(ULONG reason, const LDR_DATA_TABLE_ENTRY *entry);
/* loadtls.c */
NTSTATUS LdrpAttachTls(LDRP_MODULE *module);
void LdrpDetachTls(LDRP_MODULE *module);
void LdrpThreadBegins(BOOLEAN later);
void LdrpThreadEnds(void);
void LdrpAllocateTls(PEB *peb);
/* start.c */
void LdrpCallTlsInitializers(PVOID base, ULONG reason);
