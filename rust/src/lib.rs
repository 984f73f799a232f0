//! Tokenizers, chat templates, grammars and letter case behind the C functions of
//! `include/trellis_text.h`. Nothing here keeps state beyond the objects handed out, and no panic
//! leaves an entry point.

mod abi;
mod bounded_thread;
mod chat_template;
mod generation_tag;
mod grammar;
mod letter_case;
mod pieces;
mod python_text;
mod python_value;
mod tokenizer;
