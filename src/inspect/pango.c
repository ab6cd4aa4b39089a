#include "inspect/pango.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

static const char library_name[] = "libpangocairo-1.0.so.0";

static const struct {
    const char *name;
    size_t offset;
} functions[] = {
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

alexnet_status an_pango_load(an_pango *pango, alexnet_error *error) {
    *pango = (an_pango){0};
    void *library = dlopen(library_name, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return an_fail(error, ALEXNET_UNSUPPORTED,
                       "Pango, which writes text in pictures, cannot be loaded: %s; install "
                       "libpangocairo-1.0-0",
                       dlerror());
    /* It is never unloaded: GLib's types last as long as the process. */
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        void *found = dlsym(library, functions[i].name); /* those of the libraries under it, too */
        if (!found)
            return an_fail(error, ALEXNET_UNSUPPORTED, "%s lacks the function %s", library_name,
                           functions[i].name);
        memcpy((char *)pango + functions[i].offset, &found, sizeof found);
    }
    return ALEXNET_OK;
}
