/* Making processes: what a child is told (process parameters), and the call itself. */
#include "ntdll.h"
#include "ntprocess.h"


/* The texts of process parameters, in their order in memory. */
static UNICODE_STRING *RtlpParameterTexts(RTL_USER_PROCESS_PARAMETERS *parameters, ULONG index) {
    UNICODE_STRING *texts[] = {
        &parameters->CurrentDirectory.DosPath, &parameters->DllPath, &parameters->ImagePathName, &parameters->CommandLine,
        &parameters->WindowTitle, &parameters->DesktopInfo, &parameters->ShellInfo, &parameters->RuntimeData,
    };
    return index < sizeof texts / sizeof *texts ? texts[index] : NULL;
}
#define RTLP_TEXTS 8

/* Makes texts' buffers offsets from the structure, or addresses again. */
static void RtlpMoveTexts(RTL_USER_PROCESS_PARAMETERS *parameters, BOOLEAN normalize) {
    for (ULONG i = 0; i < RTLP_TEXTS; i++) {
        UNICODE_STRING *text = RtlpParameterTexts(parameters, i);
        if (!text->Buffer) continue;
        ULONG_PTR at = (ULONG_PTR)text->Buffer, base = (ULONG_PTR)parameters;
        text->Buffer = (WCHAR *)(normalize ? at + base : at - base);
    }
    if (normalize) parameters->Flags |= RTL_USER_PROC_PARAMS_NORMALIZED;
    else parameters->Flags &= ~(ULONG)RTL_USER_PROC_PARAMS_NORMALIZED;
}

/* `RtlNormalizeProcessParams`: offsets become addresses. */
EXPORT RTL_USER_PROCESS_PARAMETERS *NTAPI RtlNormalizeProcessParams(RTL_USER_PROCESS_PARAMETERS *parameters) {
    if (parameters && !(parameters->Flags & RTL_USER_PROC_PARAMS_NORMALIZED)) RtlpMoveTexts(parameters, TRUE);
    return parameters;
}

/* `RtlDeNormalizeProcessParams`: addresses become offsets. */
EXPORT RTL_USER_PROCESS_PARAMETERS *NTAPI RtlDeNormalizeProcessParams(RTL_USER_PROCESS_PARAMETERS *parameters) {
    if (parameters && parameters->Flags & RTL_USER_PROC_PARAMS_NORMALIZED) RtlpMoveTexts(parameters, FALSE);
    return parameters;
}

/* Bytes of an environment block with its end. */
static SIZE_T RtlpEnvironmentSize(const WCHAR *block) {
    const WCHAR *at = block;
    do {
        while (*at) at++;
        at++;
    } while (*at);
    return (SIZE_T)((const UCHAR *)(at + 1) - (const UCHAR *)block);
}

/* `RtlCreateProcessParametersEx`: what is NULL is the caller's own, or empty. The flag 1 leaves addresses as they are;
 * without it they are offsets from the structure. */
NTSTATUS NTAPI RtlCreateProcessParametersEx(RTL_USER_PROCESS_PARAMETERS **made, const UNICODE_STRING *image, const UNICODE_STRING *dlls,
                                            const UNICODE_STRING *directory, const UNICODE_STRING *line, PVOID environment,
                                            const UNICODE_STRING *title, const UNICODE_STRING *desktop, const UNICODE_STRING *shell,
                                            const UNICODE_STRING *data, ULONG flags) {
    static const UNICODE_STRING none = {0, 2, L""};
    const RTL_USER_PROCESS_PARAMETERS *own = NtCurrentPeb()->ProcessParameters;
    const UNICODE_STRING *texts[RTLP_TEXTS] = {
        directory ? directory : &own->CurrentDirectory.DosPath, dlls ? dlls : &own->DllPath, image ? image : &none,
        line ? line : image ? image : &none, title ? title : &none, desktop ? desktop : &none, shell ? shell : &none, data ? data : &none,
    };
    const WCHAR *block = environment ? environment : own->Environment;
    SIZE_T texts_size = 0, block_size = block ? RtlpEnvironmentSize(block) : 0, head = WIDTH(0x440, 0x2a4) + 8;
    for (ULONG i = 0; i < RTLP_TEXTS; i++) texts_size += (texts[i]->Length + 2 + 7) & ~(SIZE_T)7;
    head &= ~(SIZE_T)7;
    RTL_USER_PROCESS_PARAMETERS *parameters =
        RtlAllocateHeap(NtCurrentPeb()->ProcessHeap, HEAP_ZERO_MEMORY, head + texts_size + block_size + 8);
    if (!parameters) return STATUS_NO_MEMORY;
    UCHAR *at = (UCHAR *)parameters + head;
    for (ULONG i = 0; i < RTLP_TEXTS; i++) {
        if (texts[i]->Length) memmove(at, texts[i]->Buffer, texts[i]->Length);
        *RtlpParameterTexts(parameters, i) = (UNICODE_STRING){texts[i]->Length, (USHORT)(texts[i]->Length + 2), (WCHAR *)at};
        at += (texts[i]->Length + 2 + 7) & ~(SIZE_T)7;
    }
    if (block) {
        memmove(at, block, block_size);
        parameters->Environment = (WCHAR *)at;
    }
    parameters->MaximumLength = parameters->Length = (ULONG)(head + texts_size);
    parameters->Flags = RTL_USER_PROC_PARAMS_NORMALIZED;
    parameters->ConsoleHandle = own->ConsoleHandle;
    if (!(flags & RTL_USER_PROC_PARAMS_NORMALIZED)) RtlpMoveTexts(parameters, FALSE);
    *made = parameters;
    return STATUS_SUCCESS;
}

/* `RtlCreateProcessParameters`: with offsets. */
EXPORT NTSTATUS NTAPI RtlCreateProcessParameters(RTL_USER_PROCESS_PARAMETERS **made, const UNICODE_STRING *image,
                                                 const UNICODE_STRING *dlls, const UNICODE_STRING *directory, const UNICODE_STRING *line,
                                                 PVOID environment, const UNICODE_STRING *title, const UNICODE_STRING *desktop,
                                                 const UNICODE_STRING *shell, const UNICODE_STRING *data) {
    return RtlCreateProcessParametersEx(made, image, dlls, directory, line, environment, title, desktop, shell, data, 0);
}

/* `RtlDestroyProcessParameters`. */
NTSTATUS NTAPI RtlDestroyProcessParameters(RTL_USER_PROCESS_PARAMETERS *parameters) {
    RtlFreeHeap(NtCurrentPeb()->ProcessHeap, 0, parameters);
    return STATUS_SUCCESS;
}

/* `RtlCreateUserProcess`: a process whose first thread is suspended. STATUS_NOT_SUPPORTED before Vista. */
EXPORT NTSTATUS NTAPI RtlCreateUserProcess(const UNICODE_STRING *image, ULONG attributes, RTL_USER_PROCESS_PARAMETERS *parameters,
                                           PVOID process_descriptor, PVOID thread_descriptor, HANDLE parent, BOOLEAN inherit,
                                           HANDLE debug, HANDLE token, RTL_USER_PROCESS_INFORMATION *information) {
    NT_CREATE_USER_PROCESS *create = NtpService("NtCreateUserProcess");
    OBJECT_ATTRIBUTES process = {sizeof process, NULL, NULL, 0, process_descriptor, NULL};
    OBJECT_ATTRIBUTES thread = {sizeof thread, NULL, NULL, 0, thread_descriptor, NULL};
    PS_CREATE_INFO info;
    PS_ATTRIBUTE_LIST list = {.TotalLength = sizeof(SIZE_T)};
    (void)attributes;
    if (!create || debug) return STATUS_NOT_SUPPORTED;
    memset(&info, 0, sizeof info);
    info.Size = PS_CREATE_INFO_SIZE;
    PspAddAttribute(&list, PS_ATTRIBUTE_IMAGE_NAME, image->Length, image->Buffer);
    PspAddAttribute(&list, PS_ATTRIBUTE_CLIENT_ID, sizeof information->ClientId, &information->ClientId);
    PspAddAttribute(&list, PS_ATTRIBUTE_IMAGE_INFO, sizeof information->ImageInformation, &information->ImageInformation);
    if (parent) PspAddAttribute(&list, PS_ATTRIBUTE_PARENT_PROCESS, sizeof parent, parent);
    if (token) PspAddAttribute(&list, PS_ATTRIBUTE_TOKEN, sizeof token, token);
    NTSTATUS status = create(&information->Process, &information->Thread, 0x2000000, 0x2000000, &process, &thread,
                             inherit ? PROCESS_CREATE_FLAGS_INHERIT_HANDLES : 0, THREAD_CREATE_FLAGS_CREATE_SUSPENDED,
                             RtlNormalizeProcessParams(parameters), &info, &list);
    information->Length = sizeof *information;
    if (info.State == PsCreateSuccess) {
        if (info.Success.File) NtClose(info.Success.File);
        if (info.Success.Section) NtClose(info.Success.Section);
    } else if (info.State == PsCreateFailOnSectionCreate && info.File) NtClose(info.File);
    return status;
}
