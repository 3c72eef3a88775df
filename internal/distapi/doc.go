// Package distapi answers /v2/: the OCI distribution specification 1.1 and the
// parts of its next version that the conformance suite knows (tag parameters,
// anonymous mount, cancelled uploads).
//
// route.go takes a path apart, distapi.go finds the handler of a route and a
// method, and every other file holds the handlers of one kind of thing. A
// handler first asks the gate whether the caller may do this, only then reads
// a body, and lets the engine decide everything else. It returns an error or
// answers, never both; the gate writes errors.
package distapi
