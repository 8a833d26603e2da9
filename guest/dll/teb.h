/* The TEB and what hangs on it, at the offsets that every Windows has: for 64-bit code, and for 32-bit code. */
#pragma once

#ifdef __x86_64__
#define AT(wide, narrow) (wide)
#define STDCALL
#else
#define AT(wide, narrow) (narrow)
#define STDCALL __attribute__((stdcall))
#endif

static inline char *teb(void) {
    char *found;
#ifdef __x86_64__
    __asm__("movq %%gs:0x30, %0" : "=r"(found));
#else
    __asm__("movl %%fs:0x18, %0" : "=r"(found));
#endif
    return found;
}
#define FIELD(type, base, offset) (*(type *)((char *)(base) + (offset)))
static inline char *peb(void) { return FIELD(char *, teb(), AT(0x60, 0x30)); }
static inline char *process_parameters(void) { return FIELD(char *, peb(), AT(0x20, 0x10)); }
static inline void *process_heap(void) { return FIELD(void *, peb(), AT(0x30, 0x18)); }
/* CLIENT_ID */
static inline unsigned process_id(void) { return FIELD(unsigned, teb(), AT(0x40, 0x20)); }
static inline unsigned thread_id(void) { return FIELD(unsigned, teb(), AT(0x48, 0x24)); }
/* LDR_DATA_TABLE_ENTRY by way of InLoadOrderLinks */
static inline char *loaded_modules(void) { return FIELD(char *, peb(), AT(0x18, 0x0c)) + AT(0x10, 0x0c); }
#define MODULE_BASE AT(0x30, 0x18)
#define MODULE_SIZE AT(0x40, 0x20)
#define MODULE_PATH AT(0x48, 0x24)
#define PEB_IMAGE_BASE AT(0x10, 0x08)
/* RTL_USER_PROCESS_PARAMETERS */
#define STANDARD_INPUT AT(0x20, 0x18)
#define COMMAND_LINE AT(0x70, 0x40)
#define ENVIRONMENT AT(0x80, 0x48)
#define STARTING_X AT(0x88, 0x4c)
#define WINDOW_FLAGS AT(0xa4, 0x68)
#define SHOW_WINDOW AT(0xa8, 0x6c)
#define WINDOW_TITLE AT(0xb0, 0x70)
