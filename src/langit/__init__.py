"""langit: text, pictures and footage in, video out."""
