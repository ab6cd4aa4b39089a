/* placeholder */
typedef int an_formats_empty;
