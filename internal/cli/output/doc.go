// Package output writes what commands have to say: lines of text, JSON,
// templates, and the progress of transfers.
//
// Three kinds of output stay apart. Results go to standard output, in the
// format that the user chose. Status lines say which blob is being moved; they
// go to standard output when the format is text and nothing draws bars.
// Progress bars go to standard error, and only to a terminal.
//
// Text from a registry or a file reaches a terminal through Escape only;
// JSON carries it unchanged.
package output
