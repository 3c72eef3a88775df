// Package auth authorises requests to a registry: it reads challenges, keeps
// tokens in memory, and asks the token service for new ones. See the token
// authentication of the distribution project and RFC 9110, section 11.
//
// It decides where credentials go. A request to any origin but the registry's
// own loses them. A token service gets them only if it is one that the registry
// may plausibly have: never without TLS where the registry has TLS, and on
// another host only by TLS at public addresses, in the registry's own domain, or
// if Options.TokenHosts names it.
package auth
