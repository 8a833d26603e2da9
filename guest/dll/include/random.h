/* Random bytes: of the kernel's security support driver, as Windows' own functions have them. */
#pragma once
#include "ntfile.h"

#define IOCTL_KSEC_RANDOM_FILL_BUFFER 0x390008

static inline NTSTATUS KsecRandom(PVOID to, ULONG size) {
    static const WCHAR text[] = u"\\Device\\KsecDD";
    UNICODE_STRING name = {sizeof text - sizeof *text, sizeof text, (WCHAR *)text};
    OBJECT_ATTRIBUTES attributes = {sizeof attributes, NULL, &name, OBJ_CASE_INSENSITIVE, NULL, NULL};
    IO_STATUS_BLOCK io;
    HANDLE device;
    NTSTATUS status = NtOpenFile(&device, SYNCHRONIZE | FILE_READ_DATA, &attributes, &io, FILE_SHARE_ALL,
                                 FILE_SYNCHRONOUS_IO_NONALERT);
    if (status < 0) return status;
    status = NtDeviceIoControlFile(device, NULL, NULL, NULL, &io, IOCTL_KSEC_RANDOM_FILL_BUFFER, NULL, 0, to, size);
    NtClose(device);
    return status;
}
