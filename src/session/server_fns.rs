//! What the pages of signing in ask of the server.
