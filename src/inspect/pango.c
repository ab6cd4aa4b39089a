#include "inspect/pango.h"

#include "core/library.h"

static const an_library_function functions[] = {
    {"pango_cairo_create_layout", offsetof(an_pango, cairo_create_layout)},
    {"pango_cairo_update_layout", offsetof(an_pango, cairo_update_layout)},
    {"pango_cairo_show_layout_line", offsetof(an_pango, cairo_show_layout_line)},
    {"pango_font_description_new", offsetof(an_pango, font_description_new)},
    {"pango_font_description_free", offsetof(an_pango, font_description_free)},
    {"pango_font_description_set_family", offsetof(an_pango, font_description_set_family)},
    {"pango_font_description_set_absolute_size",
     offsetof(an_pango, font_description_set_absolute_size)},
    {"pango_layout_set_font_description", offsetof(an_pango, layout_set_font_description)},
    {"pango_layout_set_single_paragraph_mode",
     offsetof(an_pango, layout_set_single_paragraph_mode)},
    {"pango_layout_set_ellipsize", offsetof(an_pango, layout_set_ellipsize)},
    {"pango_layout_set_width", offsetof(an_pango, layout_set_width)},
    {"pango_layout_set_text", offsetof(an_pango, layout_set_text)},
    {"pango_layout_get_size", offsetof(an_pango, layout_get_size)},
    {"pango_layout_get_line_readonly", offsetof(an_pango, layout_get_line_readonly)},
    {"g_utf8_make_valid", offsetof(an_pango, g_utf8_make_valid)},
    {"g_free", offsetof(an_pango, g_free)},
    {"g_object_unref", offsetof(an_pango, g_object_unref)},
};

static const char *const names[] = {"libpangocairo-1.0.so.0", NULL};

static const an_library libpangocairo = {.names = names,
                                         .what = "Pango, which writes text in pictures",
                                         .package = "libpangocairo-1.0-0",
                                         .functions = functions,
                                         .function_count = sizeof functions / sizeof *functions};

alexnet_status an_pango_load(an_pango *pango, alexnet_error *error) {
    return an_library_load(&libpangocairo, pango, error);
}
