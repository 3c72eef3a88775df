// Package state keeps what orlop remembers between runs to be faster: access
// tokens until they expire, and uploads that were begun. Nothing depends on it:
// what cannot be read or written is as if it had never been there.
//
// It lies in a directory of the user that nobody else can read, a file for each
// entry. A file is replaced in one step, so that many processes can use the
// directory at once; of two that write the same entry the last one stays.
package state
