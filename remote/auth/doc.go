// Package auth authorises requests to a registry: it reads challenges, keeps
// tokens in memory, and asks the token service for new ones. See the token
// authentication of the distribution project and RFC 9110, section 11.
//
// It decides where credentials go. A request to any origin but the registry's
// own loses them, and a token service gets them only if it is one that the
// registry may plausibly have: see checkRealm.
package auth
