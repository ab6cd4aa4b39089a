/* placeholder */
typedef int an_inspect_empty;
