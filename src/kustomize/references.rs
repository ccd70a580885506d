//! References by name: what was renamed is renamed wherever it is referred to.

use std::collections::HashMap;

use super::bounds::Budget;
use super::entry::FieldSpec;
use super::error::{Code, Error, Found};
use super::fields::{Config, Create, not_scalar};
use super::resource::Resource;
use super::select::{Gvk, Id, NO_NAMESPACE};
use super::tree::Tree;

/// What a referrer has to know of an object: every name it has and had.
struct Referral {
    id: Id,
    effective_namespace: String,
    original_namespace: String,
    previous: Vec<Id>,
    prefixes: Vec<String>,
    suffixes: Vec<String>,
}

/// Objects by every former name.
struct Index<'a> {
    budget: &'a Budget,
    all: Vec<Referral>,
    by_name: HashMap<String, Vec<usize>>,
}

/// Follows every rename. An object that was never renamed is not looked for: its references are right already.
pub fn fix(config: &Config, resources: &mut [Resource], budget: &Budget) -> Result<Found, Error> {
    let index = Index::new(resources, budget)?;
    let mut errors = Found::default();
    for resource in resources.iter_mut() {
        let original = resource.original_id().gvk;
        let referrer = Referrer::new(resource)?;
        let gvk = resource.gvk();
        for (target, specs) in &config.name_reference {
            budget.look(1, specs.len())?;
            for spec in specs.iter().filter(|spec| original.is_selected(&spec.gvk)) {
                // The field is looked up by path alone: the kind has been compared with the original one.
                let spec = FieldSpec { gvk: Gvk::default(), ..spec.clone() };
                let found = spec.visit(&gvk, &mut resource.body, Create::Nothing, budget, &mut |tree| {
                    index.set(&referrer, &spec, target, tree)
                });
                if let Err(error) = found {
                    let error = error.within(&spec.path).of(&referrer.referral.id).at(resource.place.clone());
                    errors.push(error);
                }
            }
        }
    }
    Ok(errors)
}

struct Referrer {
    referral: Referral,
    /// What a role binding binds.
    role: Option<(String, String)>,
    /// Namespaces of the service accounts that a role binding names.
    account_namespaces: Vec<String>,
}

impl Referral {
    fn new(resource: &Resource) -> Self {
        let id = resource.id();
        Self {
            effective_namespace: id.effective_namespace().to_owned(),
            original_namespace: resource.original_id().effective_namespace().to_owned(),
            previous: resource.previous_ids().collect(),
            prefixes: resource.prefixes.clone(),
            suffixes: resource.suffixes.clone(),
            id,
        }
    }

    fn has_same_affixes(&self, other: &Referral, empty_fits: bool) -> bool {
        let same = |one: &[String], other: &[String]| {
            let shorter = one.len().min(other.len());
            (empty_fits && shorter == 0)
                || (one.is_empty() == other.is_empty() && one[one.len() - shorter..] == other[other.len() - shorter..])
        };
        same(&self.prefixes, &other.prefixes) && same(&self.suffixes, &other.suffixes)
    }
}

impl Referrer {
    fn new(resource: &Resource) -> Result<Self, Error> {
        let role = resource.body.get("roleRef").and_then(|role| {
            let text = |name| role.get(name).and_then(Tree::as_text).map(str::to_owned);
            Some((text("apiGroup")?, text("kind")?))
        });
        let mut account_namespaces = Vec::new();
        if resource.kind() == "RoleBinding" {
            let subjects = resource.body.get("subjects").and_then(Tree::as_list).unwrap_or_default();
            for subject in subjects {
                let account = subject.get("kind").and_then(Tree::as_text) == Some("ServiceAccount");
                let Some(namespace) = subject.get("namespace").filter(|_| account) else { continue };
                let Some(text) = namespace.as_string() else {
                    let text = "the namespace of a subject is null; give one, or leave the field out";
                    return Err(Error::new(Code::BlankNamespace, text).of(resource.id()).at(resource.place.clone()));
                };
                account_namespaces.push(text.to_owned());
            }
        }
        Ok(Self { referral: Referral::new(resource), role, account_namespaces })
    }

    /// Whether the object can be referred to from here.
    fn reaches(&self, other: &Referral) -> bool {
        self.referral.effective_namespace == NO_NAMESPACE
            || other.effective_namespace == NO_NAMESPACE
            || other.effective_namespace == self.referral.effective_namespace
            || (self.account_namespaces.contains(&other.id.namespace) && other.id.gvk.kind == "ServiceAccount")
    }
}

impl<'a> Index<'a> {
    fn new(resources: &[Resource], budget: &'a Budget) -> Result<Self, Error> {
        for resource in resources {
            // Every name, as a referrer and as what is referred to.
            let former: usize = resource.previous.iter().map(|one| one.name.len() + one.namespace.len()).sum();
            budget.take(2 * (resource.name().len() + resource.namespace().len() + former))?;
        }
        let all: Vec<Referral> = resources.iter().map(Referral::new).collect();
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (number, referral) in all.iter().enumerate() {
            for id in &referral.previous {
                let places = by_name.entry(id.name.clone()).or_default();
                if places.last() != Some(&number) {
                    places.push(number);
                }
            }
        }
        Ok(Self { budget, all, by_name })
    }

    fn set(&self, referrer: &Referrer, spec: &FieldSpec, target: &Gvk, tree: &mut Tree) -> Result<(), Error> {
        match tree {
            Tree::Leaf(_) => self.set_scalar(referrer, spec, target, tree),
            Tree::Map(_) => self.set_map(referrer, spec, target, tree),
            Tree::List(list) => list.iter_mut().try_for_each(|element| match element {
                Tree::Leaf(_) => self.set_scalar(referrer, spec, target, element),
                Tree::Map(_) => self.set_map(referrer, spec, target, element),
                Tree::List(_) => Err(not_scalar(element)),
            }),
        }
    }

    fn set_scalar(&self, referrer: &Referrer, spec: &FieldSpec, target: &Gvk, tree: &mut Tree) -> Result<(), Error> {
        let Some(name) = tree.as_text().filter(|_| !tree.is_null()) else { return Ok(()) };
        let found = self.select(referrer, spec, target, name, None, |one, other| one.id.name == other.id.name)?;
        if let Some(referral) = found
            && referral.id.name != name
        {
            self.budget.take(referral.id.name.len())?;
            *tree = Tree::text(referral.id.name.clone());
        }
        Ok(())
    }

    fn set_map(&self, referrer: &Referrer, spec: &FieldSpec, target: &Gvk, tree: &mut Tree) -> Result<(), Error> {
        let Some(name) = tree.get("name").and_then(Tree::as_text) else {
            return Err(Error::new(Code::FieldKindMismatch, "a reference must have a `name`"));
        };
        let namespace = tree.get("namespace").and_then(Tree::as_text).map(str::to_owned);
        let found = self.select(referrer, spec, target, name, namespace.as_deref(), |one, other| {
            one.id.name == other.id.name && one.id.namespace == other.id.namespace
        })?;
        let Some(referral) = found else { return Ok(()) };
        if referral.id.name == name && referral.id.namespace.is_empty() {
            return Ok(());
        }
        if let Some(fields) = tree.as_map_mut() {
            self.budget.take(referral.id.name.len() + referral.id.namespace.len())?;
            fields.set("name", Tree::text(referral.id.name.clone()));
            if !referral.id.namespace.is_empty() {
                fields.set("namespace", Tree::text(referral.id.namespace.clone()));
            }
        }
        Ok(())
    }

    /// The object that is meant by `name`, if one of this kind ever had it.
    fn select(
        &self,
        referrer: &Referrer,
        spec: &FieldSpec,
        target: &Gvk,
        name: &str,
        namespace: Option<&str>,
        are_the_same: impl Fn(&Referral, &Referral) -> bool,
    ) -> Result<Option<&Referral>, Error> {
        let Some(places) = self.by_name.get(name) else { return Ok(None) };
        let role = referrer.role.as_ref().filter(|_| spec.path.ends_with("roleRef/name"));
        let role = role.map(|(group, kind)| Gvk { group: group.clone(), version: String::new(), kind: kind.clone() });
        let mut fitting: Vec<&Referral> = places
            .iter()
            .map(|place| &self.all[*place])
            .filter(|referral| referrer.reaches(referral))
            .filter(|referral| referral.previous.iter().any(|id| id.gvk.is_selected(target)))
            .filter(|referral| {
                role.as_ref().is_none_or(|role| referral.previous.iter().any(|id| id.gvk.is_selected(role)))
            })
            .collect();
        if let Some(namespace) = namespace {
            let original = |referral: &&Referral| referral.original_namespace == namespace;
            self.budget.look(1, self.all.len())?;
            // The original namespace counts where any object at all had it, whatever its name.
            if self.all.iter().filter(|referral| referrer.reaches(referral)).any(|referral| original(&referral)) {
                fitting.retain(original);
            } else {
                fitting.retain(|referral| referral.effective_namespace == namespace);
            }
        }
        if let [only] = fitting[..] {
            return Ok(Some(only));
        }
        fitting.retain(|referral| referral.has_same_affixes(&referrer.referral, true));
        if fitting.len() > 1 {
            fitting.retain(|referral| referral.has_same_affixes(&referrer.referral, false));
        }
        match fitting[..] {
            [] => Ok(None),
            [only] => Ok(Some(only)),
            [first, ref rest @ ..] if rest.iter().all(|other| are_the_same(first, other)) => Ok(Some(first)),
            _ => {
                let names: Vec<String> = fitting.iter().map(|referral| referral.id.to_string()).collect();
                let text = format!("`{name}` may mean any of {}; give them different names", names.join(", "));
                Err(Error::new(Code::AmbiguousReference, text))
            }
        }
    }
}
