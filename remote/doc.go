// Package remote is orlop.Registry over HTTP: any registry that speaks the OCI
// distribution specification.
//
// It believes nothing that a registry says about content. Manifests and blobs
// are checked against their digest and size as they are read, and a body that
// breaks off is taken up again where it stopped, if the registry serves ranges.
//
// A large upload goes on after its process was killed, and access tokens serve
// later processes, if Options.Uploads and Options.Tokens give a place for them.
//
// Credentials and own headers go to the registry's own origin (scheme, host
// and port) and to its token service, and nowhere else: not to the target of a
// redirect, an upload location or a next page elsewhere. A connection with TLS
// is never left for one without.
package remote
