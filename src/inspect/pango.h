/*
 * Pango, which writes text in pictures, loaded when one is drawn: it takes each character from a
 * font that has it, where cairo's own text calls know a single font. Linked, it would bring
 * seventeen libraries more into every command, which then began 3 ms later.
 */
#ifndef AN_INSPECT_PANGO_H
#define AN_INSPECT_PANGO_H

#include <pango/pangocairo.h>

#include "core/status.h"

/* The functions that are used, of Pango and of GLib under it, by their names without "pango_". */
typedef struct an_pango {
    __typeof__(pango_cairo_create_layout) *cairo_create_layout;
    __typeof__(pango_cairo_update_layout) *cairo_update_layout;
    __typeof__(pango_cairo_show_layout_line) *cairo_show_layout_line;
    __typeof__(pango_font_description_new) *font_description_new;
    __typeof__(pango_font_description_free) *font_description_free;
    __typeof__(pango_font_description_set_family) *font_description_set_family;
    __typeof__(pango_font_description_set_absolute_size) *font_description_set_absolute_size;
    __typeof__(pango_layout_set_font_description) *layout_set_font_description;
    __typeof__(pango_layout_set_single_paragraph_mode) *layout_set_single_paragraph_mode;
    __typeof__(pango_layout_set_ellipsize) *layout_set_ellipsize;
    __typeof__(pango_layout_set_width) *layout_set_width;
    __typeof__(pango_layout_set_text) *layout_set_text;
    __typeof__(pango_layout_get_size) *layout_get_size;
    __typeof__(pango_layout_get_line_readonly) *layout_get_line_readonly;
    __typeof__(g_utf8_make_valid) *g_utf8_make_valid;
    __typeof__(g_free) *g_free;
    __typeof__(g_object_unref) *g_object_unref;
} an_pango;

/* Loads it, for the life of the process. UNSUPPORTED where this machine has none. */
alexnet_status an_pango_load(an_pango *pango, alexnet_error *error);

#endif
