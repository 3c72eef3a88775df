// Package authn finds out who a caller is: by a secret or by a token of our
// own. It keeps principals, makes and checks their secrets, and signs tokens.
// It knows no HTTP and no SQL; what it needs of the metadata store is the
// interface Directory.
//
// A caller that has shown a good credential is remembered for some minutes, so
// that the next request costs one hash and no query. What it may do is looked
// up anew at every request; a change of a principal counts from the next one.
package authn
