//! The input of a template: JSON whose lists and objects print as Python's wherever they become
//! text.

use std::fmt;
use std::sync::Arc;

use indexmap::IndexMap;
use minijinja::value::{Enumerator, Object, ObjectRepr};
use minijinja::Value;

use crate::python_text::str_of;

#[derive(Debug)]
struct PythonList(Vec<Value>);

#[derive(Debug)]
struct PythonDict(IndexMap<Value, Value>);

impl Object for PythonList {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.get(key.as_usize()?).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.0.len())
    }

    fn render(self: &Arc<Self>, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&str_of(&Value::from_dyn_object(self.clone())))
    }
}

impl Object for PythonDict {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.get(key).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.keys().cloned().collect())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.0.len())
    }

    fn render(self: &Arc<Self>, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&str_of(&Value::from_dyn_object(self.clone())))
    }
}

/// A JSON value as the template sees it.
pub fn python_value(json: serde_json::Value) -> Value {
    match json {
        serde_json::Value::Array(items) => {
            Value::from_object(PythonList(items.into_iter().map(python_value).collect()))
        }
        serde_json::Value::Object(members) => Value::from_object(PythonDict(
            members.into_iter().map(|(key, value)| (key.into(), python_value(value))).collect(),
        )),
        scalar => Value::from_serialize(scalar),
    }
}
