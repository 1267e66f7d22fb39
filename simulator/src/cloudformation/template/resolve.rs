//! The functions of a template, with the values of its parameters and of what is made so far. Pure.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Subnets, Ipv6Subnets};
use serde_json::{Map, Value};

use super::Template;
use super::parameters::{Parameters, scalar_text};
use super::references::{Part, attribute_path, function, parts};
use crate::ec2::zone_names;
use crate::world::{ACCOUNT, REGION};

/// Where exported values are looked up.
pub(crate) type Exports<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What a resource gives to the rest of its stack.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Known {
    /// `Ref`.
    pub(crate) physical_id: String,
    /// `Fn::GetAtt`.
    pub(crate) attributes: BTreeMap<String, String>,
    /// Whether its attributes come from a function.
    pub(crate) is_custom: bool,
}

/// Id and name of the stack that a template is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StackNames<'a> {
    pub(crate) id: &'a str,
    pub(crate) name: &'a str,
}

/// What functions can refer to apart from resources. `null` stands for `AWS::NoValue`: what has it goes.
pub(crate) struct Scope<'a> {
    template: &'a Template,
    parameters: &'a Parameters,
    stack: StackNames<'a>,
    exports: Exports<'a>,
    conditions: BTreeMap<String, bool>,
}

impl<'a> Scope<'a> {
    pub(crate) fn new(
        template: &'a Template,
        parameters: &'a Parameters,
        stack: StackNames<'a>,
        exports: Exports<'a>,
    ) -> Result<Scope<'a>, String> {
        let mut scope = Scope { template, parameters, stack, exports, conditions: BTreeMap::new() };
        for name in template.section("Conditions").keys() {
            let holds = scope.condition(name, &mut Vec::new())?;
            scope.conditions.insert(name.clone(), holds);
        }
        Ok(scope)
    }

    /// The conditions of the template.
    pub(crate) fn conditions(&self) -> &BTreeMap<String, bool> {
        &self.conditions
    }

    /// A value with its functions resolved; `known` is what has been made so far.
    pub(crate) fn resolve(&self, value: &Value, known: &BTreeMap<String, Known>) -> Result<Value, String> {
        match value {
            Value::Object(fields) => {
                if let Some((name, argument)) = function(fields) {
                    return self.call(name, argument, known);
                }
                let resolved = fields.iter().map(|(key, value)| Ok((key.clone(), self.resolve(value, known)?)));
                let resolved: Map<String, Value> = resolved.collect::<Result<_, String>>()?;
                Ok(resolved.into_iter().filter(|(_, value)| !value.is_null()).collect::<Map<_, _>>().into())
            }
            Value::Array(items) => {
                let resolved = items.iter().map(|item| self.resolve(item, known)).collect::<Result<Vec<_>, _>>()?;
                Ok(resolved.into_iter().filter(|item| !item.is_null()).collect())
            }
            scalar => Ok(scalar.clone()),
        }
    }

    /// A value that has to be a text.
    pub(crate) fn text(&self, value: &Value, known: &BTreeMap<String, Known>) -> Result<String, String> {
        match self.resolve(value, known)? {
            Value::Array(_) | Value::Object(_) | Value::Null => {
                Err(format!("Template error: {value} is not a text, as it has to be"))
            }
            scalar => Ok(scalar_text(&scalar)),
        }
    }

    fn list(&self, name: &str, value: &Value, known: &BTreeMap<String, Known>) -> Result<Vec<Value>, String> {
        match self.resolve(value, known)? {
            Value::Array(items) => Ok(items),
            other => Err(format!("Template error: {name} needs a list, not {other}")),
        }
    }

    fn call(&self, name: &str, argument: &Value, known: &BTreeMap<String, Known>) -> Result<Value, String> {
        let parts = argument.as_array().map_or(&[] as &[Value], Vec::as_slice);
        match (name, parts) {
            ("Ref", _) => self.reference(argument.as_str().unwrap_or_default(), known),
            ("Fn::GetAtt", _) => match attribute_path(argument) {
                Some((resource, attribute)) => self.attribute(&resource, &attribute, known).map(Value::from),
                None => Err("Template error: every Fn::GetAtt object requires two non-empty parameters, the resource \
                             name and the resource attribute"
                    .to_owned()),
            },
            ("Fn::Sub", [text, variables]) => self.substitute(text, variables.as_object(), known),
            ("Fn::Sub", _) => self.substitute(argument, None, known),
            ("Fn::Join", [separator, items]) => {
                let items = self.list(name, items, known)?;
                let texts: Vec<String> = items.iter().map(scalar_text).collect();
                Ok(texts.join(separator.as_str().unwrap_or_default()).into())
            }
            ("Fn::Split", [separator, text]) => {
                let text = self.text(text, known)?;
                Ok(text.split(separator.as_str().unwrap_or(",")).map(Value::from).collect())
            }
            ("Fn::Select", [index, items]) => self.select(index, items, known),
            ("Fn::If", [condition, yes, no]) => {
                let chosen = if self.named_condition(condition)? { yes } else { no };
                self.resolve(chosen, known)
            }
            ("Fn::FindInMap", [_, _, _]) => self.mapped(parts, known),
            ("Fn::GetAZs", _) => {
                let region = self.text(argument, known)?;
                let here = region.is_empty() || region == REGION;
                Ok(if here { zone_names().map(Value::from).collect() } else { Value::Array(Vec::new()) })
            }
            ("Fn::Cidr", [block, count]) => self.cidr(block, count, None, known),
            ("Fn::Cidr", [block, count, bits]) => self.cidr(block, count, Some(bits), known),
            ("Fn::Base64", _) => Ok(base64(self.text(argument, known)?.as_bytes()).into()),
            ("Fn::ImportValue", _) => {
                let name = self.text(argument, known)?;
                (self.exports)(&name).map(Value::from).ok_or_else(|| format!("No export named {name} found."))
            }
            ("Fn::Equals" | "Fn::Not" | "Fn::And" | "Fn::Or", _) => {
                Err(format!("Template error: {name} can be used in the Conditions block only"))
            }
            (name, _) => Err(malformed(name)),
        }
    }

    fn reference(&self, name: &str, known: &BTreeMap<String, Known>) -> Result<Value, String> {
        Ok(match name {
            "AWS::AccountId" => ACCOUNT.into(),
            "AWS::Region" => REGION.into(),
            "AWS::Partition" => "aws".into(),
            "AWS::URLSuffix" => "amazonaws.com".into(),
            "AWS::StackName" => self.stack.name.into(),
            "AWS::StackId" => self.stack.id.into(),
            "AWS::NoValue" => Value::Null,
            "AWS::NotificationARNs" => Value::Array(Vec::new()),
            name => {
                let resource = || known.get(name).map(|resource| resource.physical_id.clone().into());
                self.parameters.get(name).cloned().or_else(resource).ok_or_else(|| unresolved(name))?
            }
        })
    }

    fn attribute(&self, resource: &str, attribute: &str, known: &BTreeMap<String, Known>) -> Result<String, String> {
        let found = known.get(resource).ok_or_else(|| unresolved(resource))?;
        found.attributes.get(attribute).cloned().ok_or_else(|| {
            if found.is_custom {
                let (stack, id) = (self.stack.id, &found.physical_id);
                format!(
                    "CustomResource attribute error: Vendor response doesn't contain {attribute} attribute in object \
                     {stack}|{resource}|{id}"
                )
            } else {
                format!("Template error: resource {resource} does not support attribute type {attribute} in Fn::GetAtt")
            }
        })
    }

    fn substitute(
        &self,
        text: &Value,
        variables: Option<&Map<String, Value>>,
        known: &BTreeMap<String, Known>,
    ) -> Result<Value, String> {
        let text = text.as_str().ok_or_else(|| malformed("Fn::Sub"))?;
        let mut out = String::new();
        for part in parts(text)? {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Literal(name) => out.extend(["${", name, "}"]),
                Part::Variable(name) => {
                    let variable = variables.and_then(|variables| variables.get(name));
                    match (variable, name.split_once('.')) {
                        (Some(value), _) => out.push_str(&self.text(value, known)?),
                        (None, Some((resource, attribute))) => {
                            out.push_str(&self.attribute(resource, attribute, known)?);
                        }
                        (None, None) => out.push_str(&scalar_text(&self.reference(name, known)?)),
                    }
                }
            }
        }
        Ok(out.into())
    }

    fn select(&self, index: &Value, items: &Value, known: &BTreeMap<String, Known>) -> Result<Value, String> {
        let index = self.text(index, known)?;
        let items = self.list("Fn::Select", items, known)?;
        let found = index.parse::<usize>().ok().and_then(|index| items.get(index));
        found.cloned().ok_or_else(|| {
            format!(
                "Template error: Fn::Select cannot select nonexistent value at index {index}: there are {}",
                items.len()
            )
        })
    }

    fn mapped(&self, keys: &[Value], known: &BTreeMap<String, Known>) -> Result<Value, String> {
        let keys = keys.iter().map(|key| self.text(key, known)).collect::<Result<Vec<_>, _>>()?;
        let [map, top, second] = keys.as_slice() else { return Err(malformed("Fn::FindInMap")) };
        let found = self.template.section("Mappings").get(map).and_then(|map| map.get(top)?.get(second));
        found.cloned().ok_or_else(|| format!("Template error: Unable to get mapping for {map}::{top}::{second}"))
    }

    fn cidr(
        &self,
        block: &Value,
        count: &Value,
        bits: Option<&Value>,
        known: &BTreeMap<String, Known>,
    ) -> Result<Value, String> {
        let (block, count) = (self.text(block, known)?, self.text(count, known)?);
        let bits = bits.map_or_else(|| Ok("8".to_owned()), |bits| self.text(bits, known))?;
        let wrong =
            || format!("Template error: Fn::Cidr cannot make {count} blocks with {bits} host bits out of {block}");
        let parsed: IpNet = block.parse().map_err(|_| wrong())?;
        let (wanted, bits): (usize, u8) = (count.parse().map_err(|_| wrong())?, bits.parse().map_err(|_| wrong())?);
        let width = if matches!(parsed.addr(), IpAddr::V4(_)) { 32 } else { 128 };
        let prefix = u8::checked_sub(width, bits).filter(|prefix| *prefix >= parsed.prefix_len()).ok_or_else(wrong)?;
        let blocks: Vec<Value> = match parsed {
            IpNet::V4(net) => {
                let all = Ipv4Subnets::new(net.network(), net.broadcast(), prefix);
                all.take(wanted).map(|block| block.to_string().into()).collect()
            }
            IpNet::V6(net) => {
                let all = Ipv6Subnets::new(net.network(), net.broadcast(), prefix);
                all.take(wanted).map(|block| block.to_string().into()).collect()
            }
        };
        if blocks.len() < wanted { Err(wrong()) } else { Ok(blocks.into()) }
    }

    fn named_condition(&self, name: &Value) -> Result<bool, String> {
        let name = name.as_str().unwrap_or_default();
        self.conditions.get(name).copied().ok_or_else(|| unresolved_condition(name))
    }

    /// A condition by its name, for conditions that name others.
    fn condition(&self, name: &str, asking: &mut Vec<String>) -> Result<bool, String> {
        if let Some(holds) = self.conditions.get(name) {
            return Ok(*holds);
        }
        if asking.iter().any(|asked| asked == name) {
            return Err(format!("Template error: condition {name} depends on itself"));
        }
        let declared = self.template.section("Conditions").get(name).ok_or_else(|| unresolved_condition(name))?;
        asking.push(name.to_owned());
        let holds = self.holds(declared, asking);
        asking.pop();
        holds
    }

    fn holds(&self, condition: &Value, asking: &mut Vec<String>) -> Result<bool, String> {
        let wrong = || format!("Template error: {condition} is not a condition");
        let fields = condition.as_object().filter(|fields| fields.len() == 1).ok_or_else(wrong)?;
        let (name, argument) = fields.iter().next().ok_or_else(wrong)?;
        let parts = argument.as_array().map_or(&[] as &[Value], Vec::as_slice);
        match (name.as_str(), parts) {
            ("Condition", _) => self.condition(argument.as_str().unwrap_or_default(), asking),
            ("Fn::Equals", [left, right]) => {
                let none = BTreeMap::new();
                Ok(comparable(&self.resolve(left, &none)?) == comparable(&self.resolve(right, &none)?))
            }
            ("Fn::Not", [inner]) => Ok(!self.holds(inner, asking)?),
            ("Fn::And" | "Fn::Or", [_, _, ..]) => {
                let all = parts.iter().map(|part| self.holds(part, asking)).collect::<Result<Vec<_>, _>>()?;
                Ok(if name == "Fn::And" {
                    all.into_iter().all(|holds| holds)
                } else {
                    all.into_iter().any(|holds| holds)
                })
            }
            _ => Err(wrong()),
        }
    }
}

/// Numbers and booleans equal the texts that they are written as.
fn comparable(value: &Value) -> Value {
    match value {
        Value::Array(_) | Value::Object(_) | Value::Null => value.clone(),
        scalar => scalar_text(scalar).into(),
    }
}

fn malformed(name: &str) -> String {
    format!("Template error: every {name} object has a form of its own, and this is not it")
}

fn unresolved(name: &str) -> String {
    format!("Template format error: Unresolved resource dependencies [{name}] in the Resources block of the template")
}

pub(super) fn unresolved_condition(name: &str) -> String {
    format!("Template format error: Unresolved condition dependency {name} in the Resources block of the template")
}

/// Base64 with padding.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().chain([0, 0].iter()).take(3).fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte));
        for position in 0..4 {
            let sextet = bits >> (18 - 6 * position) & 63;
            out.push(if position <= chunk.len() { char::from(ALPHABET[sextet]) } else { '=' });
        }
    }
    out
}
