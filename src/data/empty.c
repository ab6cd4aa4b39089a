/* placeholder */
typedef int an_data_empty;
