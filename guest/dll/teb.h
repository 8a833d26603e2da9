/* The TEB and what hangs on it, at the offsets that every 64-bit Windows has. */
#pragma once

static inline char *teb(void) {
    char *found;
    __asm__("movq %%gs:0x30, %0" : "=r"(found));
    return found;
}
#define FIELD(type, base, offset) (*(type *)((char *)(base) + (offset)))
static inline char *peb(void) { return FIELD(char *, teb(), 0x60); }
static inline char *process_parameters(void) { return FIELD(char *, peb(), 0x20); }
