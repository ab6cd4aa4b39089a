/* placeholder */
typedef int an_reference_empty;
